"""What a VM costs on its way from PENDING to RUNNING, counted: statements, commits, bodies written as JSON and read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from nebula.drivers.sim.database import Database
from nebula.engine.api.values import Call, Query
from nebula.engine.context import iso
from nebula.engine.settings import Settings
from nebula.engine.store import mapping
from nebula.engine.store.transaction import Queries, Transaction
from tests.support.sim import CALL, Sim, template

VMS = 20
EACH_COMMIT = ("BEGIN", 'SELECT "value" FROM "meta"', "COMMIT")
"""Statements of a commit, of which there are fewer the more wait together; commits are counted apart."""


class Counts(Counter[str]):
    """Statements by who runs them (of the simulated world, too), values that become JSON and back, of all threads;
    statements that only read of this thread alone, `here`."""

    def __init__(self, patch: pytest.MonkeyPatch, *, here: bool = False) -> None:
        super().__init__()
        mine = threading.get_ident()
        execute, to_json, from_json = Queries.execute, mapping.to_json, mapping.from_json

        def counted(queries: Queries, sql: str, parameters: Sequence[Any] = ()) -> Any:
            if isinstance(queries, Transaction):
                self["writing"] += not sql.startswith(EACH_COMMIT)
            elif not here or threading.get_ident() == mine:
                self["reading"] += 1
            return execute(queries, sql, parameters)

        def encoded(value: Any) -> str:
            self["encoded"] += 1
            return to_json(value)

        def decoded(text: str | bytes | None) -> Any:
            self["decoded"] += 1
            return from_json(text)

        def simulated(name: str) -> None:
            ask = getattr(Database, name)

            def asked(world: Database, sql: str, *values: object) -> Any:
                self["simulated"] += 1
                return ask(world, sql, *values)

            patch.setattr(Database, name, asked)

        for name in ("one", "all", "run", "insert"):
            simulated(name)
        patch.setattr(Queries, "execute", counted)
        patch.setattr(mapping, "to_json", encoded)
        patch.setattr(mapping, "from_json", decoded)


def silence(sim: Sim, *, schedule_delay: float) -> Sim:
    """An engine whose monitor does not look meanwhile."""
    sim.restart(Settings(monitor_interval=600.0, schedule_delay=schedule_delay))
    sim.engine.monitor.first_looks(20.0)
    sim.settle()
    return sim


@pytest.fixture
def quiet(sim: Sim) -> Sim:
    """One that places a VM at once."""
    return silence(sim, schedule_delay=0.05)


def test_from_pending_to_running(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = silence(sim, schedule_delay=1.0)  # a busy machine, too, releases all before they are planned with
    quiet.add_vm("first")  # brings the image, fills caches
    for number in range(VMS):
        quiet.engine.vms.create(template(f"vm-{number}"), CALL, hold=True)
    layouts = iso._kept.cache_info().misses
    counts, commits = Counts(monkeypatch), quiet.engine.services.store.commits
    for number in range(VMS):
        quiet.engine.vms.release(f"vm-{number}", CALL)
    quiet.settle()
    assert len(quiet.engine.vms.list(Query(filters=(("state", "=", "RUNNING"),))).rows) == VMS + 1
    a_vm = {name: count / VMS for name, count in counts.items()}
    assert a_vm["writing"] <= 29, a_vm
    assert a_vm["reading"] <= 7, a_vm
    assert a_vm["simulated"] <= 48, a_vm
    assert a_vm["encoded"] <= 14, a_vm
    assert a_vm["decoded"] <= 9, a_vm
    assert (quiet.engine.services.store.commits - commits) / VMS <= 6
    assert iso._kept.cache_info().misses - layouts <= 6, "contexts of the same length are laid out once"


def test_allocating_is_one_commit(quiet: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet.engine.vms.create(template("first"), CALL, hold=True)
    counts, commits = Counts(monkeypatch), quiet.engine.services.store.commits
    for number in range(VMS):
        quiet.engine.vms.create(template(f"vm-{number}"), Call(actor="tester", key=f"k{number}"), hold=True)
    assert quiet.engine.services.store.commits - commits == VMS
    assert counts["writing"] / VMS <= 17, counts
    assert counts["reading"] == 0, counts


def test_a_look_at_hosts_writes_nothing_and_reads_a_fixed_number_of_times(quiet: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(VMS):
        quiet.add_vm(f"vm-{number}", HOST="h1")
    quiet.restart(Settings(monitor_interval=600.0))
    quiet.engine.monitor.first_looks(20.0)
    [watcher] = [found for found in quiet.engine.monitor._watchers.values() if found.host_id == quiet.host("h1").id]
    watcher._once()  # the second look writes figures, too
    commits, counts = quiet.engine.services.store.commits, Counts(monkeypatch, here=True)
    watcher._once()
    assert quiet.engine.services.store.commits == commits
    assert (counts["writing"], counts["encoded"]) == (0, 0), counts
    assert counts["reading"] <= 3, f"{VMS} VMs run there: {counts}"
