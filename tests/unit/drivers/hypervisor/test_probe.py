"""Which virtualisation type a host is given, and why: the boot itself is played by a program that talks like a kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt import probe
from nebula.drivers.hypervisor.libvirt.probe import probe_virt
from nebula.transport.local import LocalTransport

HOST = HostHandle(
    host_id=1, name="here", address="", user="root", port=22, virt="kvm", root="/nowhere", transport=LocalTransport("here")
)
BOTH = ("qemu", "kvm")
BOOTS = "echo 'Linux version 6.1'\necho 'VFS: Unable to mount root fs on unknown-block(0,0)'\nsleep 60"
HANGS = "echo 'Linux version 6.1'\nsleep 60"
SILENT = "sleep 60"
FAILS = "echo 'Could not access KVM kernel module: Permission denied' >&2\nexit 1"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel to be found, and a device node that is there; probes end after a second."""
    (tmp_path / "vmlinuz-6.1").write_bytes(os.urandom(1 << 20) + b"more")
    monkeypatch.setattr(probe, "KERNELS", ["find", str(tmp_path), "-name", "vmlinuz*", "-size", "+1024k"])
    monkeypatch.setattr(probe, "SECONDS", 1)
    monkeypatch.setattr(probe, "DEVICE", "/dev/null")
    return tmp_path


def emulator(directory: Path, script: str) -> str:
    path = directory / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "virt", "level", "words"),
    [
        (BOOTS, "kvm", "ok", "boots under it"),
        (HANGS, "qemu", "warning", "hangs on its way"),
        (SILENT, "qemu", "warning", "says nothing"),
        (FAILS, "qemu", "warning", "Permission denied"),
    ],
)
def test_a_kernel_decides(kernel: Path, script: str, virt: str, level: str, words: str) -> None:
    verdict = probe_virt(HOST, emulator(kernel, script), BOTH)
    assert (verdict.virt, verdict.finding.level) == (virt, level)
    assert verdict.finding.check == "virtualisation"
    assert verdict.finding.text.startswith(f"{virt}: ")
    assert words in verdict.finding.text


def test_without_a_kernel_nothing_is_believed_and_a_person_may_know_better(kernel: Path) -> None:
    (kernel / "vmlinuz-6.1").unlink()
    verdict = probe_virt(HOST, emulator(kernel, BOOTS), BOTH)
    assert (verdict.virt, verdict.finding.level) == ("qemu", "warning")
    assert "no boot could prove it" in verdict.finding.text
    assert "--virt kvm" in verdict.finding.fix


def test_what_nobody_offers_is_not_tried(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe_virt(HOST, "/nowhere", ("qemu",)).virt == "qemu"
    monkeypatch.setattr(probe, "DEVICE", str(kernel / "none"))
    verdict = probe_virt(HOST, "/nowhere", BOTH)
    assert verdict.virt == "qemu"
    assert verdict.finding.fix
