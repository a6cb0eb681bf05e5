"""Whether QEMU's user may open /dev/kvm: a device node of our own, tried by a user that has nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nebula.drivers.hypervisor.libvirt.kvmdevice import closed
from tests.support.device import device
from tests.unit.drivers.hypervisor.test_probe import HOST

__all__ = ["device"]

NOBODY = "65534:65534"


def test_who_cannot_open_it_is_named_with_the_command_that_mends_it(device: Path) -> None:
    (finding,) = closed(HOST, str(device), [NOBODY, NOBODY])
    assert (finding.check, finding.level) == ("kvm", "warning")
    assert f"QEMU's user nobody cannot open {device} (root:root, mode 600)" in finding.text
    assert finding.fix == f"chgrp kvm {device} && chmod 660 {device}"


@pytest.mark.parametrize("group", [0, 65534])
def test_it_is_the_group_that_counts(device: Path, group: int) -> None:
    os.chown(device, 0, group)
    device.chmod(0o660)
    assert bool(list(closed(HOST, str(device), [NOBODY]))) == (group == 0)


def test_root_may_and_where_there_is_none_nobody_needs_to(device: Path) -> None:
    assert list(closed(HOST, str(device), ["0:0"])) == []
    device.unlink()
    assert list(closed(HOST, str(device), [NOBODY])) == []
