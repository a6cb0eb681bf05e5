"""What wants a person is said where people look, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.cli import attention
from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.tables import Listing
from nebula.engine.local.engine import own

from .conftest import Cli, InProcess, runner


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A home with a host that went silent while nobody watched, and that an engine found so."""
    home: Path = tmp_path_factory.mktemp("broken")
    engine = own(home, "command")
    assert engine is not None
    assert runner(InProcess(engine))("demo", "--home", str(home), "--hosts", "2", "--vms", "4").status == 0
    engine.close()
    world = SimWorld(home / "sim.db")
    world.hosts.set_reachable("host-2", False)
    world.close()
    engine = own(home, "command")
    assert engine is not None
    cli = runner(InProcess(engine))
    for _ in engine.events.follow(0):
        if "ERROR" in cli("host", "list", "-f", "csv").out and "UNKNOWN" in cli("vm", "list", "-f", "csv").out:
            break
    yield cli
    engine.close()


def test_lists_say_below_what_is_wrong_and_what_to_type(broken: Cli) -> None:
    hosts = broken("host", "list")
    assert hosts.err.startswith("host host-2: ERROR: ")
    assert "(nebula host describe 2)" in hosts.err
    vms = broken("vm", "list", "-c", "name")
    assert vms.lines[0] == "NAME"
    named = vms.err.partition(": UNKNOWN: ")[0].removeprefix("vm ").split(", ")
    assert set(named) == set(broken("vm", "list", "-f", "name", "host=host-2").lines)
    assert vms.err.count("\n") == 1


@pytest.mark.parametrize("words", [("-f", "json"), ("-f", "csv"), ("-f", "name"), ("-q",)])
def test_programs_are_not_told(broken: Cli, words: tuple[str, ...]) -> None:
    assert broken("host", "list", *words).err == ""


def test_status_counts_states_and_names_troubles(broken: Cli) -> None:
    shown = broken("status").out
    assert "1 MONITORED, 1 ERROR" in shown
    assert "host host-2: ERROR: " in shown
    data = json.loads(broken("status", "-f", "json").out)
    assert data["states"]["host"] == {"MONITORED": 1, "ERROR": 1}
    assert [problem["names"] for problem in data["problems"] if problem["noun"] == "host"] == [["host-2"]]


def test_describe_says_what_to_do(broken: Cli) -> None:
    vm = broken("vm", "list", "-f", "name", "host=host-2").lines[0]
    said = broken("vm", "describe", vm).out
    assert "What to do: look at its host: nebula host describe host-2." in said
    assert said.count("no route to host") == 1


def test_a_check_prints_what_is_bad_last_with_what_mends_it(broken: Cli) -> None:
    result = broken("doctor")
    assert result.status == 1
    assert result.lines[0].startswith("ok ")
    assert result.lines[-2].startswith("error    host-2")
    assert result.lines[-1].strip().startswith("fix: ")
    assert broken("doctor", "-f", "csv").lines[0] == "where,level,check,text,fix"


def test_work_that_no_engine_is_at_is_said() -> None:
    vms = Listing(("id", "job"), [[1, 0], [2, 9], [3, 7]])
    assert attention.left_alone("vm", vms).startswith("no engine runs, so nobody is at job 7")
    jobs = Listing(("id", "state"), [[4, "done"], [5, "waiting"]])
    assert "job 5" in attention.left_alone("job", jobs)
    assert attention.left_alone("vm", Listing(("id", "job"), [[1, 0]])) == ""
    assert attention.left_alone("host", Listing(("id",), [[1]])) == ""


def test_vms_that_found_no_host_are_said() -> None:
    columns = ("id", "name", "state", "reason", "alarm", "job")
    rows = [[1, "new", 1000, "", "", 0], [2, "big", 1000, "2 hosts: 2 short of memory", "", 0]]
    assert list(attention.lines("vm", Listing(columns, rows))) == [
        "vm big: waits: 2 hosts: 2 short of memory (nebula vm describe 2)"
    ]


def test_many_troubles_are_counted() -> None:
    rows = [[number, f"a{number}", 3, f"trouble {number}"] for number in range(20)]
    said = list(attention.lines("host", Listing(("id", "name", "state", "error"), rows)))
    assert len(said) == 9
    assert said[-1] == "12 more: nebula status"
    same = [[number, f"a{number}", 3, "dark"] for number in range(7)]
    assert list(attention.lines("host", Listing(("id", "name", "state", "error"), same))) == [
        "host a0, a1, a2, a3 and 3 more: ERROR: dark (nebula host describe 0)"
    ]
