"""Which virtualisation type works on a host, found by booting something: a device node and a claim prove nothing.

Where KVM is there, QEMU starts one of the host's own kernels under it, without disk or network, and reads its serial
console. A kernel that comes as far as looking for its root file system has proven the processor, timers and interrupts.
"""

from __future__ import annotations

import contextlib
from typing import Literal, NamedTuple

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle
from nebula.errors import CommandError, InterruptedByUser, TimedOutError
from nebula.model.host import Finding

SECONDS = 15
"""A kernel under KVM needs one or two; one that hangs needs for ever."""
PROOFS = (b"Unable to mount root fs", b"Kernel panic", b"Run /init", b"Cannot open root device")
FIRST_WORDS = b"Linux version"
DEVICE = "/dev/kvm"
KERNELS = ["find", "-L", "/boot", "-maxdepth", "1", "-type", "f", "-name", "vmlinuz*", "-size", "+1024k"]
ARCH = "x86_64"


class Verdict(NamedTuple):
    """The type to use, and the finding that says why."""

    virt: Literal["kvm", "qemu"]
    finding: Finding


def probe_virt(handle: HostHandle, emulator: str, virt_types: tuple[str, ...], arch: str = ARCH) -> Verdict:
    """The type for this host's domains. `virt_types` is what libvirt advertises."""
    if "kvm" not in virt_types:
        return _emulated("libvirt offers no KVM", "modprobe kvm_intel || modprobe kvm_amd   (and switch it on in the firmware)")
    if handle.transport.run(["test", "-c", DEVICE], check=False).status != 0:
        return _emulated(f"there is no {DEVICE}", "modprobe kvm_intel || modprobe kvm_amd   (and switch it on in the firmware)")
    kernel = _kernel(handle)
    if not kernel or not emulator or arch != ARCH:
        missing = "/boot has no kernel that could be booted for a test" if not kernel else f"there is no test for {arch}"
        fix = f"if you know that KVM works there: nebula host update {handle.name} --virt kvm"
        return _emulated(f"KVM is advertised, but no boot could prove it: {missing}", fix)
    return _booted(handle, emulator, kernel)


def _kernel(handle: HostHandle) -> str:
    found = handle.transport.run(KERNELS, check=False, root=True).text.split()
    return min(found, key=len) if found else ""


def boot_argv(emulator: str, kernel: str) -> list[str]:
    """The command: ends by itself after `SECONDS` at the latest, even if nobody is there to end it."""
    return [
        *("timeout", "-k", "1", str(SECONDS), emulator, "-no-user-config", "-nodefaults", "-display", "none"),
        *("-accel", "kvm", "-cpu", "host", "-m", "512", "-no-reboot", "-serial", "stdio", "-kernel", kernel),
        *("-append", "console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 root=/dev/none"),
    ]


class _Listener:
    """Reads the guest's serial console line by line until there is proof."""

    def __init__(self) -> None:
        self.enough = CancelToken()
        self.proven = False
        self.spoke = False

    def __call__(self, line: bytes) -> None:
        self.spoke = self.spoke or FIRST_WORDS in line
        if any(proof in line for proof in PROOFS):
            self.proven = True
            self.enough.set("the kernel has booted")


def _booted(handle: HostHandle, emulator: str, kernel: str) -> Verdict:
    heard, words = _Listener(), ""
    try:
        with contextlib.suppress(InterruptedByUser, TimedOutError):
            handle.transport.run(
                boot_argv(emulator, kernel), root=True, timeout=SECONDS + 5, cancel=heard.enough, on_line=heard
            )
    except CommandError as error:
        words = "" if error.status == 124 else error.cause
    if heard.proven:
        return _usable(f"a kernel ({kernel}) boots under it")
    where = "hangs on its way" if heard.spoke else "says nothing"
    reason = words.splitlines()[-1] if words else f"a kernel ({kernel}) {where} within {SECONDS} s"
    return _emulated(f"KVM is advertised but does not work here: {reason}", "dmesg | grep -i kvm")


def _usable(why: str) -> Verdict:
    return Verdict("kvm", Finding(check="virtualisation", level="ok", text=f"kvm: {why}"))


def _emulated(why: str, fix: str) -> Verdict:
    text = f"qemu: guests are emulated in software, which is slow: {why}"
    return Verdict("qemu", Finding(check="virtualisation", level="warning", text=text, fix=fix))
