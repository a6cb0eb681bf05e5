"""Verbs over several objects: a result each, one exit status, and what goes to which stream."""

from __future__ import annotations

import json
from functools import partial
from typing import cast

import pytest

from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import JobLogRow
from nebula.engine.store.transaction import Transaction
from tests.support.sim import until

from .conftest import Cli, InProcess


def _state(cli: Cli, name: str) -> str:
    return str(json.loads(cli("vm", "list", f"name={name}", "-f", "json", "-c", "state", "-a").out)[0]["state"])


def test_patterns_ids_and_names_together(cli: Cli) -> None:
    result = cli("vm", "poweroff", "web*", "2", "cache-1")
    assert result.status == 0, result.err
    assert result.out == ""
    for name in ("web-1", "db-1", "cache-1"):
        assert f"vm {name} " in result.err
        assert _state(cli, name) == "POWEROFF"
    assert cli("vm", "resume", "1..3").status == 0
    assert _state(cli, "db-1") == "RUNNING"


def test_some_failed_is_status_8_and_all_failed_their_own(cli: Cli) -> None:
    result = cli("vm", "reboot", "web-1", "nosuch")
    assert result.status == 8
    assert "there is no vm 'nosuch'" in result.err
    assert "vm web-1 (1): rebooted" in result.err
    assert cli("vm", "reboot", "nosuch", "neither").status == 3


def test_a_wrong_name_is_answered_with_the_like(cli: Cli) -> None:
    result = cli("vm", "poweroff", "wbe-1")
    assert result.status == 3
    assert "hint: did you mean web-1" in result.err


def test_a_wrong_state_is_status_5(cli: Cli) -> None:
    result = cli("vm", "release", "web-1")
    assert result.status == 5
    assert "RUNNING" in result.err


def test_a_job_given_up_by_recover_went_as_asked(cli: Cli, connect: InProcess) -> None:
    host = json.loads(cli("vm", "show", "git-1", "-f", "json").out)["host"]
    world = cast("LocalEngine", connect.engine).services.transports.world()
    world.hosts.set_libvirtd(host, up=False)
    try:
        job = cli("vm", "poweroff", "git-1", "--no-wait").out.strip()
        until(lambda: json.loads(cli("job", "show", job, "-f", "json").out)["state"] == "waiting", "the job to wait")
        result = cli("vm", "recover", "git-1", "--failure")
    finally:
        world.hosts.set_libvirtd(host, up=True)
    assert (result.status, "vm git-1 (6): recovered (failure)" in result.err) == (0, True), result.err


def test_dry_run_changes_nothing_and_prints_what_it_would_do(cli: Cli) -> None:
    result = cli("vm", "poweroff", "web-1", "--dry-run")
    assert result.status == 0
    assert result.out.startswith("web-1: ")
    assert _state(cli, "web-1") == "RUNNING"


def test_no_wait_prints_the_job_and_job_wait_follows_it(cli: Cli) -> None:
    result = cli("vm", "poweroff", "mail-1", "--no-wait")
    assert result.status == 0
    job = result.out.strip()
    assert job.isdigit()
    assert cli("job", "wait", job).status == 0
    assert _state(cli, "mail-1") == "POWEROFF"
    assert json.loads(cli("job", "show", job, "-f", "json").out)["state"] == "done"
    assert cli("job", "cancel", job).status == 5


def test_create_prints_the_id_and_waits_until_it_runs(cli: Cli) -> None:
    result = cli("vm", "create", "fresh", "--image", "linux", "--memory", "256M", "--network", "lan", "-n", "2")
    assert result.status == 0, result.err
    assert len(result.lines) == 2
    assert _state(cli, "fresh-0") == "RUNNING"
    shown = json.loads(cli("vm", "show", result.lines[1], "-f", "json").out)
    assert shown["name"] == "fresh-1"
    assert shown["template"]["MEMORY"] == 256
    assert cli("vm", "terminate", "fresh*").status == 0
    assert _state(cli, "fresh-0") == "DONE"


def test_a_vm_that_no_host_takes_says_why(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nebula.cli.settling.PATIENCE", 0.5)
    result = cli("vm", "create", "giant", "--image", "linux", "--memory", "900G")
    assert result.status == 1
    assert result.out.strip().isdigit()
    assert "waits for a host" in result.err
    assert "memory" in result.err
    described = cli("vm", "describe", "giant")
    assert "PENDING" in described.out
    assert "host-1: " in described.out
    assert cli("vm", "terminate", "giant").status == 0


def test_devices_come_to_a_vm_that_is_off_and_leave_it(cli: Cli) -> None:
    running = cli("vm", "pci-attach", "web-1", "10de:1db6")
    assert (running.status, "RUNNING" in running.err) == (5, True), running.err
    assert cli("vm", "undeploy", "web-1").status == 0
    words = cli("vm", "pci-attach", "web-1", "10de")
    assert (words.status, "is no PCI device" in words.err) == (2, True)
    would = cli("vm", "pci-attach", "web-1", "10de:1db6", "--dry-run")
    assert "pci-attach VM web-1 (1): PCI0" in would.out + would.err
    done = cli("vm", "pci-attach", "web-1", "10de:1db6", "--name", "gpu")
    assert (done.status, "web-1 (1): device attached" in done.err) == (0, True), done.err
    card = cli("vm", "pci-attach", "web-1", "3b:10.0", "--network", "lan")
    assert card.status == 0, card.err
    asked = json.loads(cli("vm", "show", "web-1", "-f", "json").out)
    assert [device.get("NAME") for device in asked["template"]["PCI"]] == ["gpu", None]
    assert [one["name"] for one in asked["passthrough"]] == ["PCI1"]
    assert [cli("vm", "pci-detach", "web-1", name).status for name in ("gpu", "PCI1", "gpu")] == [0, 0, 3]
    assert "PCI" not in json.loads(cli("vm", "show", "web-1", "-f", "json").out)["template"]


def test_hold_release_rename_update(cli: Cli) -> None:
    assert cli("vm", "create", "held", "--image", "linux", "--memory", "256M", "--hold").status == 0
    assert _state(cli, "held") == "HOLD"
    assert cli("vm", "rename", "held", "kept").status == 0
    assert cli("vm", "update", "kept", "--set", "COLOUR=blue", "--autostart", "yes").status == 0
    shown = json.loads(cli("vm", "show", "kept", "-f", "json").out)
    assert (shown["template"]["COLOUR"], shown["autostart"]) == ("blue", True)
    assert cli("vm", "terminate", "kept").status == 0


@pytest.mark.parametrize("name", ["$(reboot)", "a\nb", "a'b", "x" * 129, "7"])
def test_bad_names_are_refused_before_anything_happens(cli: Cli, name: str) -> None:
    result = cli("vm", "rename", "web-1", name)
    assert result.status == 2
    assert result.err.count("error: ") == 1
    assert cli("cluster", "create", name).status == 2


def test_clusters_networks_and_images(cli: Cli) -> None:
    assert cli("cluster", "create", "lab", "attic").out.split()
    assert cli("cluster", "remove", "lab", "attic").status == 0
    made = cli("network", "create", "dmz", "--driver", "sim", "--bridge", "br9", "--range", "10.9.0.10-10.9.0.20")
    assert made.status == 0, made.err
    assert cli("network", "add-range", "dmz", "10.9.1.1+5").status == 0
    assert json.loads(cli("network", "list", "name=dmz", "-f", "json", "-c", "size").out) == [{"size": 16}]
    assert cli("network", "hold", "dmz", "10.9.0.11").status == 0
    assert "10.9.0.11" in cli("network", "leases", "dmz").out
    assert cli("network", "release", "dmz", "10.9.0.11").status == 0
    assert cli("network", "remove", "dmz").status == 0
    assert cli("image", "create", "blank", "--size", "1G", "--datastore", "demo-images").status == 0
    assert cli("image", "persistent", "blank").status == 0
    assert cli("image", "remove", "blank").status == 0


def test_hosts(cli: Cli) -> None:
    assert cli("host", "disable", "host-2").status == 0
    assert "DISABLED" in cli("host", "list", "name=host-2").out
    assert cli("host", "enable", "host-2").status == 0
    assert cli("host", "update", "host-2", "--reserved-memory", "10%", "--set", "RACK=4").status == 0
    assert cli("host", "update", "host-2", "--reserved-memory", "lots").status == 2
    assert cli("host", "show", "host-2").status == 0


def test_reading_verbs(cli: Cli) -> None:
    assert "host-" in cli("vm", "history", "git-1").out
    assert "RUNNING" in cli("vm", "log", "git-1").out
    assert cli("vm", "wait", "git-1", "RUNNING", "POWEROFF").status == 0
    assert cli("vm", "wait", "git-1", "PENDING", "--timeout", "1").status == 7
    assert cli("vm", "wait", "git-1", "PENDING", "--timeout", "0").status == 7, "one look"
    assert cli("vm", "wait", "git-1", "FLYING").status == 2
    silent = cli("vm", "wait", "git-1", "READY")
    assert (silent.status, "cannot say that it is ready" in silent.err) == (5, True)
    assert cli("event", "list", "--limit", "3", "-f", "jsonl").out.count("\n") == 3
    assert "debian-12" in cli("image", "catalogue").out
    assert json.loads(cli("status", "-f", "json").out)["counts"]["host"] == 2
    assert cli("db", "check").status == 0
    assert cli("job", "wait", "abc").status == 2
    assert cli("job", "wait", "1..x").status == 2
    assert cli("job", "wait", "90000..90001").status == 3


def test_several_jobs_are_shown_and_what_is_missing_is_said(cli: Cli) -> None:
    shown = cli("job", "show", "1..2", "2,3", "-f", "json")
    assert [(item["id"], item["state"]) for item in json.loads(shown.out)] == [(1, "done"), (2, "done"), (3, "done")]
    assert json.loads(cli("job", "show", "1", "-f", "json").out)["id"] == 1
    texts = cli("job", "show", "1..2").out.split("\n\n")
    assert [text.split()[:2] for text in texts] == [["id", "1"], ["id", "2"]]
    partly = cli("job", "show", "1", "90000")
    assert (partly.status, partly.out.split()[:2]) == (8, ["id", "1"])
    assert "90000" in partly.err
    assert cli("job", "show", "90000").status == 3


def _say(row: JobLogRow, tx: Transaction) -> None:
    tx.insert(row)


def test_the_logs_of_several_jobs_come_as_they_came_about(cli: Cli, connect: InProcess) -> None:
    store = cast(LocalEngine, connect.engine).services.store
    said = [(1, 30.0, "first says it last"), (2, 20.0, "second says it first"), (1, 10.0, "earliest")]
    for number, at, text in said:
        store.write(partial(_say, JobLogRow(job_id=number, at=at, level="info", text=text)))
    both = cli("job", "log", "1..2", "-f")
    lines = [line for line in both.lines if any(text in line for _, _, text in said)]
    assert [line.split("  ")[1:] for line in lines] == [
        ["earliest", "[job 1]"],
        ["second says it first", "[job 2]"],
        ["first says it last", "[job 1]"],
    ]
    assert cli("job", "log", "2", "90000").status == 8
    assert cli("job", "log", "90000").status == 3


def test_events_are_listed_like_everything_else(cli: Cli) -> None:
    listed = [json.loads(line) for line in cli("event", "list", "--limit", "5", "-f", "jsonl").lines]
    numbers = [item["seq"] for item in listed]
    assert numbers == sorted(numbers), "the latest is the last"
    assert all(isinstance(item["body"], dict) for item in listed)
    first = cli("event", "list", "--after", "0", "--limit", "2", "-c", "seq,kind")
    assert [line.split()[0] for line in first.lines] == ["SEQ", "1", "2"]
    some = cli("event", "list", "object_kind=host", "object_id=1,2", "kind=host.*", "-c", "object_id,kind", "-f", "csv").lines
    assert some[0] == "object_id,kind"
    assert {line.split(",")[0] for line in some[1:]} == {"1", "2"}
    assert {line.split(".")[0].split(",")[1] for line in some[1:]} == {"host"}
    falling = [int(seq) for seq in cli("event", "list", "--sort", "-seq", "--limit", "3", "-f", "name").lines]
    assert falling == sorted(falling, reverse=True)
    assert cli("event", "list", "body~MONITORED", "--limit", "1", "-f", "jsonl").out.count("MONITORED") == 1
    refused = cli("event", "list", "-c", "colour")
    assert refused.status == 2
    assert "seq, at, kind" in refused.err
    nothing = cli("event", "list", "kind=nothing.at.all")
    assert (nothing.out, nothing.err) == ("", "no events\n")


def test_jobs_are_named_by_lists_and_ranges_of_ids_too(cli: Cli) -> None:
    waited = cli("job", "wait", "2..3,5", "1")
    assert waited.status == 0, waited.err
    assert [line.split()[1] for line in waited.err.splitlines()] == ["2", "3", "5", "1"]
    cancelled = cli("job", "cancel", "1..3")
    assert cancelled.status == 5
    assert cancelled.err.count("is done already") == 3
    assert cli("job", "show", "99999").status == 3


def test_a_stopped_vm_says_where_it_is_kept_and_a_marked_one_that_it_moves(cli: Cli) -> None:
    cli("vm", "create", "sleeper", "--image", "linux", "--memory", "256M")
    assert cli("vm", "stop", "sleeper").status == 0
    assert "Its disks and its memory are kept on " in cli("vm", "describe", "sleeper").out
    cli("vm", "resume", "sleeper")
    cli("vm", "poweroff", "sleeper", "--hard")
    assert cli("vm", "undeploy", "sleeper").status == 0
    assert "Its disks are kept on " in cli("vm", "describe", "sleeper").out
    assert cli("vm", "terminate", "sleeper").status == 0


def test_snapshots_are_listed_for_people_and_for_programs(cli: Cli) -> None:
    assert cli("vm", "disk-snapshot-create", "git-1", "0", "before").status == 0
    lines = cli("vm", "disk-snapshot-list", "git-1", "0").lines
    assert lines[0].split() == ["ID", "NAME", "PARENT", "ACTIVE", "CREATED"]
    assert lines[1].split()[1:4] == ["before", "-", "yes"]
    assert lines[1].split()[4].count("-") == 2, "a date"
    [shown] = json.loads(cli("vm", "disk-snapshot-list", "git-1", "0", "-f", "json").out)
    assert (shown["active"], shown["created"] > 1e9) == (True, True)
