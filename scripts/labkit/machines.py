"""A host that is a virtual machine: QEMU without hardware's help, cables on the lab's bridges, disks of its own or a SAN's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from . import machinefiles, network, proc
from .enter import attempt_inside
from .errors import LabError
from .run import run
from .spec import Host, Lab, save

MEMORY = 2048
CPUS = 2
BOOT_SECONDS = 1200
_APPEND = (
    "console=ttyS0 quiet net.ifnames=0 mitigations=off cryptomgr.notests tsc=unstable no_timer_check random.trust_cpu=on "
    "audit=0 apparmor=0 systemd.show_status=no"
)
_ANSWERS = (
    "sh",
    "-c",
    "systemctl -q is-active ssh && for what in domcapabilities capabilities; do virsh $what >/dev/null || exit; done",
)
"""Asking for its own capabilities, libvirt looks at the QEMU of every architecture; engines ask for that at once."""


def make_disks(lab: Lab) -> None:
    """The disks that all machines of the lab see."""
    for number, size in enumerate(lab.options.san, 1):
        machinefiles.blank(_san(lab, number), size)


def start(lab: Lab, host: Host) -> None:
    """Power it on; `wait` says when it can be used."""
    base = lab.directory(host)
    _plug(lab, host)
    pid_file = base / "run" / "pid"
    pid_file.unlink(missing_ok=True)
    run([*_argv(lab, host, base), "-daemonize", "-pidfile", str(pid_file)], cwd=base)
    host.init = proc.process(int(pid_file.read_text()))
    save(lab)


def wait(lab: Lab, host: Host) -> None:
    """Until sshd and libvirtd answer; raises `LabError` with the end of what its console says."""

    def answers() -> bool:
        if not proc.alive(host.init):
            raise LabError(f"machine {host.name} ended: {_console(lab, host)}")
        try:
            return attempt_inside(lab, host, _ANSWERS).returncode == 0
        except LabError:  # it did not answer in time
            return False

    try:
        proc.wait_until(answers, seconds=BOOT_SECONDS, what=f"{host.name} to boot")
    except LabError as error:
        raise LabError(f"{error}: {_console(lab, host)}") from error


def stop(lab: Lab, host: Host) -> None:
    """Cut its power: its guests end with it."""
    proc.kill(host.init)
    host.init = None
    for name in (lab.link(host), lab.guest_link(host), lab.switch_link(host)):
        network.pull_out(name)
    save(lab)


def disks(lab: Lab, host: Host) -> list[dict[str, object]]:
    """The further disks of a machine: serial number, world wide name, GiB, and whether all machines see the same."""
    return [
        {"serial": disk.serial, "wwn": disk.wwn, "gib": disk.size, "paths": disk.paths, "shared": disk.shared}
        for disk in _disks(lab, host)
    ]


@dataclass(frozen=True)
class _Disk:
    serial: str
    wwn: str
    path: Path
    size: int
    shared: bool
    paths: int


def _disks(lab: Lab, host: Host) -> list[_Disk]:
    own = lab.options.disks
    san = zip(lab.options.san, lab.options.san_paths, strict=True)
    base = lab.directory(host)
    return [
        *(_Disk(f"own{n}", _wwn(lab, host.index, n), base / f"own{n}.img", size, False, 1) for n, size in enumerate(own, 1)),
        *(_Disk(f"san{n}", _wwn(lab, 0, n), _san(lab, n), size, True, paths) for n, (size, paths) in enumerate(san, 1)),
    ]


def _wwn(lab: Lab, index: int, number: int) -> str:
    """A name of the kind that an IEEE company gives (NAA 5), different for every disk of every lab here."""
    return f"0x5000c500{lab.number:02x}{index:02x}{number:04x}"


def _san(lab: Lab, number: int) -> Path:
    return lab.root / f"san{number}.img"


def _plug(lab: Lab, host: Host) -> None:
    network.plug_tap(lab.link(host), lab.bridge())
    network.plug_tap(lab.guest_link(host), lab.guest_bridge() if lab.options.guest_bridge else None)
    network.plug_tap(lab.switch_link(host), lab.switch())


def _argv(lab: Lab, host: Host, base: Path) -> list[str]:
    options = lab.options
    return [
        "qemu-system-x86_64", "-name", f"lab-{lab.number}-{host.name}", "-uuid", host.uuid, "-nodefaults", "-no-user-config",
        "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off",
        "-smp", str(ceil(options.cpus) or CPUS), "-m", str(options.memory or MEMORY),
        "-display", "none", "-serial", f"file:{base}/run/console.log",
        "-qmp", "unix:run/qmp,server=on,wait=off", "-device", "virtio-rng-pci",
        "-kernel", str(base / "machine.vmlinuz"), "-initrd", str(base / "initrd"), "-append", _APPEND,
        *_disk("root", base / "root.qcow2", "qcow2"), "-device", "virtio-blk-pci,drive=root,serial=root",
        *_disk("nebula", base / "nebula.img"), "-device", "virtio-blk-pci,drive=nebula,serial=nebula",
        "-device", "virtio-scsi-pci,id=scsi", *_further(lab, host), *_cables(lab, host),
    ]  # fmt: skip


def _disk(name: str, path: Path, form: str = "raw") -> list[str]:
    return ["-drive", f"if=none,id={name},file={path},format={form},cache=unsafe,discard=unmap,detect-zeroes=unmap"]


def _further(lab: Lab, host: Host) -> Iterator[str]:
    ways = [(disk, f"{disk.serial}-{way}") for disk in _disks(lab, host) for way in range(disk.paths)]
    for target, (disk, name) in enumerate(ways):
        yield from _disk(name, disk.path)
        known = f"serial={disk.serial},wwn={disk.wwn},share-rw={'on' if disk.shared else 'off'}"
        yield from ("-device", f"scsi-hd,bus=scsi.0,drive={name},scsi-id={target},{known}")


def _cables(lab: Lab, host: Host) -> Iterator[str]:
    for number, name in enumerate((lab.link(host), lab.guest_link(host), lab.switch_link(host))):
        mac = f"02:4c:4e:{lab.number:02x}:{number if number < 2 else 3:02x}:{host.index:02x}"
        yield from ("-netdev", f"tap,id=cable{number},ifname={name},script=no,downscript=no")
        yield from ("-device", f"virtio-net-pci,netdev=cable{number},mac={mac}")
    way_in = f"hostfwd=tcp:{lab.entry(host)}:2222-{machinefiles.ENTRY_ADDRESS}:2222"
    yield from ("-netdev", f"user,id=entry,restrict=on,ipv6=off,{way_in}")
    yield from ("-device", f"virtio-net-pci,netdev=entry,mac=02:4c:4e:{lab.number:02x}:04:{host.index:02x}")


def _console(lab: Lab, host: Host) -> str:
    path = lab.directory(host) / "run" / "console.log"
    return path.read_text(errors="replace").strip()[-600:] if path.exists() else "no console"
