"""What the suites read from others' words, and the definitions that they make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchkit.bare_domain import parts_of, twin_of
from benchkit.cluster_figure import few, figure
from benchkit.cluster_sizes import sizes
from benchkit.errors import BenchError
from benchkit.suite import Bench
from benchkit.suites.memory import resident_in
from benchkit.suites.migrate import downtime
from hypothesis import given
from hypothesis import strategies as st

XML = """<domain type='qemu'>
  <name>one-7</name>
  <uuid>8c2a6d0e-5f1b-4b7f-9d53-0a4b3c2d1e0f</uuid>
  <title>one-7 is my name</title>
  <disk type='file' device='disk'><source file='/srv/vms/7/disk.0'/><target dev='vda' bus='virtio'/></disk>
  <disk type='file' device='cdrom'><source file='/srv/vms/7/context.iso'/><target dev='sda' bus='sata'/></disk>
  <interface type='bridge'><mac address='02:00:0a:4e:01:64'/><target dev='one-7-0'/></interface>
</domain>"""
FRESH = {"name": "bench-1", "uuid": "u-1", "disk": "/srv/vms/7/disk.0-1", "mac": "02:00:00:00:00:01", "tap": "bench1"}


def bench(tmp_path: Path, rounds: int) -> Bench:
    return Bench(Path("/bin/true"), tmp_path, rounds=rounds, vms=1)


def test_a_twin_has_names_and_a_disk_of_its_own() -> None:
    twin = twin_of(XML, parts_of(XML), FRESH)
    assert parts_of(twin.replace("disk.0-1'", "disk.0'").replace("'bench1'", "'one-1'")) == {
        **FRESH,
        "disk": "/srv/vms/7/disk.0",
        "tap": "one-1",
    }


def test_a_twin_keeps_what_is_not_the_domains_own() -> None:
    twin = twin_of(XML, parts_of(XML), FRESH)
    assert "<title>one-7 is my name</title>" in twin
    assert "'/srv/vms/7/context.iso'" in twin
    assert len(twin.splitlines()) == len(XML.splitlines())


def test_a_domain_without_a_card_has_no_twin() -> None:
    with pytest.raises(BenchError, match="no mac, tap"):
        parts_of(XML.replace("<mac", "<x").replace("one-7-0", "vnet0"))


@given(st.integers(0, 10**6))
def test_downtime_is_read_whatever_the_spaces(milliseconds: int) -> None:
    assert downtime(f"Job type: Completed\nTotal downtime:   {milliseconds:<12} ms\nSetup time: 11 ms\n") == milliseconds


def test_no_downtime_is_no_figure() -> None:
    with pytest.raises(BenchError, match="no downtime"):
        downtime("Job type:         None\n")


def test_resident_memory_is_in_mebibytes() -> None:
    assert resident_in("Name:\tnebula\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n") == 100.0


def test_slow_things_are_repeated_seldom_but_once_at_least(tmp_path: Path) -> None:
    assert [few(bench(tmp_path, rounds)) for rounds in (0, 3, 20)] == [1, 3, 5]


def test_long_runs_must_be_asked_for(tmp_path: Path) -> None:
    assert sizes(bench(tmp_path, 1), 100, 1000, large=(10_000,)) == (100, 1000)


def test_a_figure_says_how_busy_the_machine_was() -> None:
    assert figure("x", "ms", iter([1.0, 2.0])).beside.startswith("load ")
    assert figure("x", "ms", [1.0], "a peer").beside.startswith("a peer; load ")
