"""What wants somebody is said on every screen, and one key leads there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import HostRow
from nebula.engine.store.transaction import Transaction
from nebula.tui.frame import Header, Situation
from nebula.tui.memory import Memory
from nebula.tui.wanting import leads_to, look, said
from tests.support.sim import Sim
from tests.support.tui import Driven, drive

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine


@contextmanager
def _down(sim: Sim) -> Iterator[HostRow]:
    """A host whose ERROR is told as the monitor tells it."""
    host = sim.rows(HostRow)[0]

    def put(state: HostState) -> None:
        def work(tx: Transaction) -> None:
            tx.swap(tx.get(HostRow, host.id), state=state)
            tx.event("host.state", "host", host.id, name=host.name, after=state.name)

        sim.engine.services.store.write(work)

    put(HostState.ERROR)
    try:
        yield host
    finally:
        put(HostState.MONITORED)


def test_what_is_well_is_not_counted(sim: Sim) -> None:
    engine = cast("Engine", sim.engine)
    assert look(engine) == {}
    with _down(sim):
        assert look(engine) == {"host": {"ERROR": 1}}


def test_it_is_said_in_words_and_leads_from_one_screen_to_the_next() -> None:
    wanting = {"host": {"ERROR": 1}, "vm": {"UNKNOWN": 3, "BOOT_FAILURE": 1}}
    assert said(wanting) == "1 host ERROR, 3 VMs UNKNOWN, 1 VM BOOT_FAILURE"
    first = leads_to(wanting, "overview")
    assert first == "host state=ERROR"
    second = leads_to(wanting, first)
    assert second == "vm state=BOOT_FAILURE,UNKNOWN"
    assert leads_to(wanting, second) == first
    assert (said({}), leads_to({}, "overview")) == ("", "")


def test_a_host_that_is_down_is_seen_on_every_screen_and_one_key_leads_there(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("exclamation_mark")
        assert tui.page.view.name == "vm", "nothing wants attention yet"
        with _down(sim) as host:
            await tui.until(lambda: "1 host ERROR" in tui.screen().splitlines()[0], "what is the matter, in the header")
            await tui.press("exclamation_mark")
            await tui.until(lambda: tui.page.view.name == "host" and tui.names() == [host.name], "the host alone")
            await tui.press("escape", "escape")
        await tui.until(lambda: "ERROR" not in tui.screen().splitlines()[0], "that it is well again")

    drive(sim, memory, play)


def test_an_engine_that_owes_an_answer_is_said_so() -> None:
    drawn = list[str]()

    class Line(Header):
        def update(self, content: object = "", *, layout: bool = True) -> None:
            drawn.append(str(content))

    for now in (Situation("x", silent=7.2, counts="3 VMs"), Situation("x", counts="3 VMs", jobs=1)):
        Line(markup=False).say(now)
    assert "has not answered for 7 s" in drawn[0]
    assert "3 VMs  1 job under way" in drawn[1]
