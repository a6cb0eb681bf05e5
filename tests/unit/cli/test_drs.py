"""nebula drs, vm top, host top and metrics export over a real engine with simulated hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from nebula.engine.drs.plans import propose
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan, Move
from nebula.engine.metrics.kinds import HOST, VM
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.metrics.rollup import write
from nebula.engine.store.rows import HostRow, PlanRow, VmRow
from tests.support.sim import until

if TYPE_CHECKING:
    from nebula.engine.local.engine import LocalEngine
    from tests.unit.cli.conftest import Cli, InProcess


@pytest.fixture
def engine(connect: InProcess) -> LocalEngine:
    """With figures of every VM."""
    found: LocalEngine = connect.engine._engine  # type: ignore[attr-defined]
    until(lambda: len(found.monitor.figures.newest("vm")) == 6, "figures of every VM", 60.0)
    return found


@pytest.fixture
def plan(engine: LocalEngine) -> int:
    """A proposed plan of one move; its number."""
    queries = engine.services.store.read()
    hosts = queries.select(HostRow, '1=1 ORDER BY "id"')
    vm = queries.select(VmRow, '"host_id"=? AND "state"=3 ORDER BY "id"', (hosts[0].id,))[0]
    move = Move(
        vm_id=vm.id, vm=vm.name, source_id=hosts[0].id, source=hosts[0].name, target_id=hosts[1].id, target=hosts[1].name,
        wave=0, gain=0.1, copy_mib=10.0, seconds=1.0, reason="test",
    )  # fmt: skip
    made = DrsPlan(
        cluster_id=hosts[0].cluster_id, cluster="default", at=0.0, moves=(move,), hosts=(), before=0.2, after=0.1
    )  # fmt: skip
    return engine.services.store.write(lambda tx: propose(tx, made, DrsPolicy(), "tester")).id


def plans(engine: LocalEngine) -> list[PlanRow]:
    return engine.services.store.read().select(PlanRow)


def test_status_has_the_balance_and_every_setting(cli: Cli, engine: LocalEngine) -> None:
    lines = cli("drs", "status").lines
    assert lines[0].startswith("cluster default: load-aware, manual; 2 hosts, hottest load ")
    assert json.loads(cli("drs", "status", "default", "--format", "json").out)["settings"]["mode"] == "manual"
    assert cli("drs", "status", "nowhere").err == "error: there is no cluster 'nowhere'\nhint: nebula cluster list\n"


def test_a_plan_of_a_balanced_cluster_says_why_and_is_not_stored(cli: Cli, engine: LocalEngine) -> None:
    before = len(plans(engine))
    lines = cli("drs", "plan").lines
    assert lines[0].startswith("plan for cluster default: 0 moves, 0B to copy, imbalance ")
    assert lines[1].startswith("nothing to move: balanced (hottest: ")
    assert lines[3].split() == ["HOST", "CPU", "MEMORY", "VMS"]
    assert len(plans(engine)) == before


def test_a_plan_is_shown_tried_and_carried_out(cli: Cli, engine: LocalEngine, plan: int) -> None:
    assert (
        cli("drs", "show", str(plan)).lines[0].startswith(f"plan {plan} for cluster default, proposed: 1 move, 10.0M to copy")
    )
    dry = cli("drs", "apply", str(plan), "--dry-run")
    assert dry.lines == [f"make 1 moves of plan {plan} in cluster default"]
    assert plans(engine)[-1].state == "proposed"
    assert cli("drs", "apply", str(plan), "2").status == 2
    assert cli("drs", "apply", str(plan), "1").err.endswith(f"plan {plan}: done\n")
    again = cli("drs", "apply", str(plan))
    assert (again.status, again.err) == (5, f"error: plan {plan} is done\nhint: nebula drs history\n")
    assert json.loads(cli("drs", "show", str(plan), "--format", "json").out)["state"] == "done"
    assert any(line.split()[0] == str(plan) for line in cli("drs", "history", "state=done").lines[1:])


@pytest.mark.parametrize("verb", ["show", "apply"])
def test_a_plan_that_is_not_there(cli: Cli, verb: str) -> None:
    assert cli("drs", verb, "4711").err == "error: there is no plan 4711\nhint: nebula drs history\n"
    assert cli("drs", verb, "x\x1b[31m").status == 2


def test_settings_are_tried_before_they_are_made(cli: Cli, engine: LocalEngine) -> None:
    dry = cli("drs", "set", "default", "ceiling=70%", "--dry-run")
    assert dry.lines == ["set ceiling=70% for cluster default"]
    assert "  ceiling       0.8" in cli("drs", "status").lines
    for words in (["mode=never"], ["colour=red"], ["patience=nan"], ["ceiling"], ["quiet_hours=\x1b[31m"], ["policy.x=1"]):
        refused = cli("drs", "set", "default", *words)
        assert (refused.status, refused.out, "\x1b" in refused.err) == (2, "", False), words
    assert cli("drs", "set", "default", "ceiling=0.7").err == "cluster default (1): ceiling=0.7\n"
    assert "  ceiling       0.7" in cli("drs", "status").lines
    assert cli("drs", "set", "default", "ceiling=0.8").status == 0


def test_forecasts_of_a_vm_a_host_and_a_cluster(cli: Cli, engine: LocalEngine) -> None:
    lines = cli("drs", "forecast", "vm", "web-1").lines
    assert lines[0] == "vm web-1, the coming hour:"
    assert [line.split()[0] for line in lines[1:]] == ["cpu", "memory", "disk", "network"]
    assert cli("drs", "forecast", "host", "host-1").lines[0] == "host host-1, the coming hour:"
    assert [line.split(" (")[0] for line in cli("drs", "forecast", "cluster", "default").lines] == [
        "cluster default: cpu: not known yet",
        "cluster default: memory: not known yet",
    ]
    assert cli("drs", "forecast", "disk", "1").status == 2


def test_a_snapshot_is_written_once_and_replayed(cli: Cli, engine: LocalEngine, tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    assert cli("drs", "snapshot", str(path), "--anonymous").err == f"{path}: 2 hosts, 6 VMs\n"
    assert "web-1" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert cli("drs", "snapshot", str(path)).status == 5
    assert cli("drs", "replay", str(path)).lines[0].startswith("plan for cluster cluster-1: 0 moves")
    assert len(json.loads(cli("drs", "replay", str(tmp_path), "policy=striping", "--format", "json").out)["hosts"]) == 2
    assert cli("drs", "replay", str(path), "patience=nan").status == 2


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", "[" * 100_000, '{"snapshot": NaN}', "\udcff", "9" * 5000])
def test_files_that_are_no_snapshot_are_refused(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    refused = cli("drs", "replay", str(path))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.endswith("hint: nebula drs snapshot FILE\n")
    assert cli("drs", "replay", str(tmp_path / "none.json")).status == 3


def test_names_in_a_file_obey_no_terminal(cli: Cli, engine: LocalEngine, tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    cli("drs", "snapshot", str(path))
    body = json.loads(path.read_text())
    body["snapshot"]["cluster"] = body["snapshot"]["hosts"][0]["name"] = "\x1b]0;mine\x07"
    path.write_text(json.dumps(body))
    assert all(line.isprintable() for line in cli("drs", "replay", str(path)).lines)


def test_the_tops_list_what_was_measured(cli: Cli, engine: LocalEngine) -> None:
    lines = cli("vm", "top").lines
    assert lines[0].split()[:5] == ["ID", "NAME", "HOST", "CPU", "WAIT"]
    assert len(lines) == 7
    assert len(cli("vm", "top", "--limit", "2").lines) == 3
    found = json.loads(cli("host", "top", "--format", "json").out)
    assert sorted(row["name"] for row in found) == ["host-1", "host-2"]


def test_what_is_exported_is_read_by_the_readers_of_that_format(cli: Cli, engine: LocalEngine) -> None:
    read = text_string_to_metric_families(cli("metrics", "export").out)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in read}
    assert {family.type for family in families.values()} == {"gauge"}
    names = {sample.labels["name"] for sample in families["nebula_vm_memory_bytes"].samples}
    assert names == {"web-1", "db-1", "cache-1", "mail-1", "build-1", "git-1"}
    memory = {sample.labels["name"]: sample.value for sample in families["nebula_host_memory_bytes"].samples}
    assert memory.keys() == {"host-1", "host-2"}
    assert min(memory.values()) > 1 << 20
    assert len(families) == len(VM) + len(HOST)


def test_the_history_of_an_object_is_a_table_for_programs(cli: Cli, engine: LocalEngine) -> None:
    vm = engine.services.store.read().select(VmRow, "\"name\"='web-1'")[0]
    slot = Slot("vm", int(engine.services.clock.now()) // SLOT * SLOT - SLOT)
    slot.add(vm.id, tuple([5.0] * len(VM)), tuple([9.0] * len(VM)))
    engine.services.store.write(lambda tx: write(tx, [slot], fine_days=3, hourly_days=90))
    lines = cli("metrics", "export", "--vm", "web-1").lines
    assert lines[0].split(",")[:3] == ["at", "cpu", "cpu_wait"]
    assert [float(cell) for cell in lines[1].split(",")[1:]] == [5.0] * len(VM) + [9.0] * len(VM)
    assert cli("metrics", "export", "--vm", "web-1", "--host", "host-1").status == 2
    assert cli("metrics", "export", "--vm", "nobody").status == 3
