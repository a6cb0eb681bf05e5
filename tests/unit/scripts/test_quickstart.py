"""What scripts/quickstart reads out of answers, and that it ends only what it started."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from quickkit import libvirtd
from quickkit.cli import address
from quickkit.errors import QuickstartError
from quickkit.steps import show, wait_for

from tests.support.device import device

__all__ = ["device"]


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ({"state": "RUNNING", "nics": [{"mac": "02:00:00:00:00:01", "ip": "10.0.0.5"}]}, "10.0.0.5"),
        ({"NIC": [{"IP": "10.0.0.6"}]}, "10.0.0.6"),
        ({"nics": [], "name": "web"}, None),
    ],
)
def test_the_address_is_found_where_it_is_told(shown: object, found: str | None) -> None:
    assert address(shown) == found


def test_what_does_not_come_is_said() -> None:
    with pytest.raises(QuickstartError, match="the moon did not come within 0 s"):
        wait_for("the moon", lambda: None, 0)


def test_a_failed_command_is_said_with_the_way_back() -> None:
    with pytest.raises(QuickstartError) as caught:
        show(["/bin/false"])
    assert caught.value.hint == "scripts/quickstart --clean"


def test_only_the_recorded_process_is_ended(tmp_path: Path) -> None:
    mine, other = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
    try:
        births = {process.pid: libvirtd._birth(process.pid) for process in (mine, other)}
        record = [{"pid": mine.pid, "birth": births[mine.pid]}, {"pid": other.pid, "birth": births[other.pid] - 1}]
        (tmp_path / "started.json").write_text(json.dumps(record))
        libvirtd.stop_own(tmp_path)
        assert (mine.wait(10), other.poll()) == (-15, None)
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_a_device_that_qemu_cannot_open_is_named_before_a_guest_waits_for_it(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirtd, "QEMU_USER", "nobody")
    with pytest.raises(QuickstartError, match=f"cannot open {device}") as caught:
        libvirtd.require_kvm_open(device)
    assert caught.value.hint == f"chgrp kvm {device} && chmod 660 {device}"
    device.chmod(0o666)
    libvirtd.require_kvm_open(device)
    device.unlink()
    libvirtd.require_kvm_open(device)
