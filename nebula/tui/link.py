"""The dashboard's engine: asked on threads, followed on one, and found again when it went away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Literal, TypeVar

from nebula.cli.remote_lists import EngineLists
from nebula.errors import NebulaError, UnreachableError

if TYPE_CHECKING:
    from nebula.cli.connect import Lister
    from nebula.engine.api.values import Event, Listing, Query
    from nebula.engine.api.verbs import Engine

T = TypeVar("T")
Tell = Callable[["Feed"], None]
FeedState = Literal["there", "away"]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
"""Seconds until an engine that is away is looked for again."""
_THREADS = 4
_LOOK = 0.02
"""Seconds between two looks whether the first engine is there."""


class Feed:
    """News for the screen: events in their order, or that the engine is there or away, and why."""

    def __init__(self, events: Sequence[Event] = (), state: FeedState | None = None, problem: str = "") -> None:
        self.events, self.state, self.problem = events, state, problem


class Link:
    """`open_engine` gives an engine, for as long as its context lasts; `tell` is called on other threads. `lister` is the
    quickest way to a list: the first rows need not wait for an engine.

    One thread follows events. What is asked runs on a few threads more, so a slow answer holds up nobody's typing.
    """

    def __init__(
        self, open_engine: Callable[[], AbstractContextManager[Engine]], tell: Tell, lister: Callable[[], Lister]
    ) -> None:
        self._open, self._tell, self._lister = open_engine, tell, lister
        self._stopped = threading.Event()
        self._changing = threading.Lock()
        self._started = False
        self._beginning = True
        """Whether the first engine is still on its way: what is asked meanwhile waits for it."""
        self._engine: Engine | None = None
        self._holder: AbstractContextManager[Engine] | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="nebula-tui")
        self._follower = threading.Thread(target=self._follow, name="nebula-tui-events", daemon=True)

    @property
    def engine(self) -> Engine:
        """The engine; UnreachableError while there is none."""
        if self._engine is None:
            raise UnreachableError("the engine is away", hint="it is looked for again by itself")
        return self._engine

    def start(self) -> None:
        """Connect, and follow; once, whoever asks first. To load an engine takes as long as to draw the first rows, so it
        begins after them where it can.
        """
        with self._changing:
            started, self._started = self._started, True
        if not started and not self._stopped.is_set():
            self._follower.start()

    def close(self) -> None:
        """Let go; called when the screen is no more."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._leave()

    async def ask(self, work: Callable[[Engine], T]) -> T:
        """What `work` answers, done on another thread."""
        self.start()
        while self._beginning and not self._stopped.is_set():
            await asyncio.sleep(_LOOK)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(self.engine))

    async def list(self, noun: str, query: Query) -> Listing:
        """Rows of a noun, by the engine or, before there is one, by the quickest way."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._list, noun, query)

    def _list(self, noun: str, query: Query) -> Listing:
        engine = self._engine
        if engine is not None:
            return EngineLists(engine).list(noun, query)
        quick = self._lister()
        try:
            return quick.list(noun, query)
        finally:
            quick.close()

    async def aside(self, work: Callable[[Engine], T]) -> T:
        """The same on a thread of its own, for what may take long."""
        return await asyncio.to_thread(lambda: work(self.engine))

    def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            try:
                self._until_lost()
                pause = _FIRST_PAUSE
            except (NebulaError, OSError) as problem:
                self._say(Feed(state="away", problem=str(problem)))
            if self._engine is not None:
                pause = _FIRST_PAUSE
            self._leave()
            self._stopped.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _until_lost(self) -> None:
        holder = self._open()
        engine = holder.__enter__()
        after = engine.system.status().last_event
        self._engine, self._holder = engine, holder
        self._say(Feed(state="there"))
        for event in engine.events.follow(after):
            if self._stopped.is_set():
                return
            if event is not None:
                self._say(Feed([event]))

    def _say(self, feed: Feed) -> None:
        self._beginning = False  # it is there, or it could not be had
        if not self._stopped.is_set():
            self._tell(feed)

    def _leave(self) -> None:
        with self._changing:
            holder, self._holder, self._engine = self._holder, None, None
        if holder is not None:
            with suppress(NebulaError, OSError):
                holder.__exit__(None, None, None)
