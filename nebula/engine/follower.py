"""A thread of the engine that follows what happens: woken by events, ended with the engine."""

from __future__ import annotations

import abc
import threading

from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow


class Follower(abc.ABC):
    """`_changed` guards what the thread waits for; whoever changes that notifies all."""

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin: at once, and again whenever what happens asks for it."""
        self._unlisten = self._services.store.listen(self._on_events)
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._unlisten()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    @abc.abstractmethod
    def _on_events(self, events: list[EventRow]) -> None:
        """What was committed; on the writer's thread."""

    @abc.abstractmethod
    def _loop(self) -> None:
        """The thread's work, until `_stopped`."""
