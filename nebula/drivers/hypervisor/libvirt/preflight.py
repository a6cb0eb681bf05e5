"""What is missing on a host, or here, for domains to run there."""

from __future__ import annotations

from collections.abc import Iterator

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt import facts, kvmdevice, ownership, probe
from nebula.drivers.hypervisor.libvirt.connection import Link, load_library
from nebula.drivers.hypervisor.libvirt.probe import probe_virt
from nebula.errors import DeniedError, MissingLibraryError, NebulaError, UnreachableError
from nebula.model.host import Finding, HostFacts

OLDEST = (7, 1)
"""libvirt's first version that knows everything we ask for (CPU mode `maximum`)."""
MENDED = (9, 0)
"""QEMU's first version whose emulation marks all that a guest writes during a live migration (its commit "physmem: Fix
migration dirty bitmap coherency with TCG memory access"). In older ones a write may stay behind, and a guest may hang.
"""
INSTALL = "apt install libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils"


class Preflight:
    """Looks at one host; later looks are left out where an earlier one makes them pointless."""

    def __init__(self, handle: HostHandle, link: Link) -> None:
        self._handle, self._link = handle, link

    def findings(self) -> list[Finding]:
        """All findings. Raises UnreachableError, DeniedError or HostKeyError if the host itself cannot be reached."""
        missing = _library()
        if missing.level == "error":
            return [missing]
        machine = facts.look(self._handle.transport)
        try:
            known = self._link.call("asking for its facts", lambda session: facts.read(session, machine))
        except (UnreachableError, DeniedError) as error:
            return [missing, self._no_daemon(error)]
        owners = self._link.call("asking who QEMU is", lambda session: ownership.owners(session.conn.getCapabilities()))
        closed = kvmdevice.closed(self._handle, probe.DEVICE, owners)
        return [missing, self._daemon(known), *self._guests(known), *closed]

    def _no_daemon(self, error: NebulaError) -> Finding:
        if isinstance(error, DeniedError):
            fix = error.hint or f"usermod -aG libvirt {self._handle.user}"
        else:
            fix = f"{INSTALL} && systemctl enable --now libvirtd.socket"
        return Finding(check="libvirt", level="error", text=f"libvirtd does not answer: {error}", fix=fix)

    def _daemon(self, known: HostFacts) -> Finding:
        version = tuple(int(part) for part in known.libvirt_version.split(".")[:2])
        if version < OLDEST:
            wanted = ".".join(str(part) for part in OLDEST)
            text = f"libvirt {known.libvirt_version} is older than {wanted}"
            return Finding(check="libvirt", level="warning", text=text, fix="apt install --only-upgrade libvirt-daemon-system")
        return Finding(check="libvirt", level="ok", text=f"libvirt {known.libvirt_version}")

    def _guests(self, known: HostFacts) -> list[Finding]:
        if not known.emulator or not known.virt_types:
            text = f"no QEMU for {known.arch} guests"
            return [Finding(check="emulator", level="error", text=text, fix="apt install qemu-system-x86 qemu-utils")]
        emulator = Finding(check="emulator", level="ok", text=f"QEMU {known.hypervisor_version}, {known.emulator}")
        verdict = probe_virt(self._handle, known.emulator, known.virt_types, known.arch)
        emulated = "qemu" in {self._handle.virt, verdict.virt}
        return [emulator, *lacks(known), verdict.finding, *(forgets(known) if emulated else ())]


def lacks(known: HostFacts) -> Iterator[Finding]:
    """What some guests need, and others do without."""
    if not known.uefi:
        text = "no firmware for UEFI: guests boot with BIOS only"
        yield Finding(check="uefi", level="note", text=text, fix="apt install ovmf")
    if not known.tpm:
        text = "no swtpm: guests can have no TPM"
        yield Finding(check="tpm", level="note", text=text, fix="apt install swtpm swtpm-tools")


def forgets(known: HostFacts) -> Iterator[Finding]:
    """What live migrations of emulated guests may do to them; those under KVM are not concerned."""
    version = tuple(int(part) for part in known.hypervisor_version.split(".")[:2] if part.isdigit())
    if version and version < MENDED:
        emulator = f"QEMU {known.hypervisor_version}"
        text = f"emulated guests may hang after a live migration: {emulator} may lose what they write meanwhile"
        fix = "migrate them while they are off, or install QEMU 9.0 or newer"
        yield Finding(check="emulation", level="note", text=text, fix=fix)


def _library() -> Finding:
    try:
        lib = load_library()
    except MissingLibraryError as error:
        return Finding(check="library", level="error", text=str(error), fix=error.hint)
    return Finding(check="library", level="ok", text=f"libvirt's client library {facts.version(lib.getVersion())} is here")
