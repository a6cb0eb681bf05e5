"""The lab's command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from . import access, ceph, debianguest, faults, images, iscsi, lifecycle, lxcfs, machineimage, openvswitch, packages, status
from .enter import argv_inside
from .errors import LabError
from .spec import PROFILES, Options, load

IMAGES = "images"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed with the reason and what to type next on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        root = _root(arguments)
        return int(arguments.run(root, arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return 1


def _root(arguments: argparse.Namespace) -> Path:
    if arguments.name == IMAGES or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", arguments.name):
        raise LabError(
            f"{arguments.name!r} is no name for a lab: letters, digits, - and _", hint="scripts/lab --name lab status"
        )
    return Path(str(arguments.dir)).resolve() / str(arguments.name)


def _up(root: Path, arguments: argparse.Namespace) -> None:
    stock = tuple(name for name in arguments.stock.split(",") if name)
    options = Options(
        arguments.profile, stock, arguments.memory, arguments.cpus, arguments.disk, arguments.guest_bridge,
        arguments.machines, _numbers(arguments.disks, 0), _numbers(arguments.san, 0), _numbers(arguments.san, 1),
    )  # fmt: skip
    wanted = [*packages.HOST_PACKAGES, *([lxcfs.PACKAGE] if options.limited() else [])]
    wanted += packages.DEBIAN_PACKAGES if options.machines else []
    packages.require(wanted, install=arguments.install)
    with lifecycle.locked(root):
        lab = lifecycle.up(
            root, arguments.count, options, images=_image_directory(root, arguments.images), number=arguments.number
        )
    print(status.table(lab))


def _numbers(disks: str, which: int) -> tuple[int, ...]:
    """Of disks like `4,8x2`: their sizes in GiB (0), or by how many paths each is seen (1)."""
    if not re.fullmatch(r"([1-9][0-9]{0,3}(x[1-9])?(,[1-9][0-9]{0,3}(x[1-9])?)*)?", disks):
        raise LabError(f"{disks!r} are no sizes of disks in GiB", hint="scripts/lab up --machines 2 --san 4,4x2")
    return tuple(int((*word.split("x"), "1")[which]) for word in disks.split(",") if word)


def _image_directory(root: Path, chosen: str = "") -> Path:
    """Where images are kept: beside the labs, or where NEBULA_LAB_IMAGES says."""
    return Path(chosen or os.environ.get("NEBULA_LAB_IMAGES") or root.parent / IMAGES).resolve()


def _down(root: Path, _arguments: argparse.Namespace) -> None:
    with lifecycle.locked(root):
        lifecycle.down(root)


def _status(root: Path, arguments: argparse.Namespace) -> None:
    lab = load(root)
    print(json.dumps(status.report(lab), indent=1) if arguments.format == "json" else status.table(lab))


def _exec(root: Path, arguments: argparse.Namespace) -> None:
    lab = load(root)
    argv = argv_inside(lab, lab.host(arguments.host), arguments.argv)
    os.chdir("/")
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - argv as typed, no shell


def _break(root: Path, arguments: argparse.Namespace) -> None:
    with lifecycle.locked(root):
        lab = load(root)
        faults.break_host(lab, lab.host(arguments.host), arguments.what)


def _mend(root: Path, arguments: argparse.Namespace) -> None:
    with lifecycle.locked(root):
        lab = load(root)
        faults.mend_host(lab, lab.host(arguments.host), arguments.what)


def _ceph(root: Path, arguments: argparse.Namespace) -> None:
    if arguments.what == "up":
        packages.require(ceph.PACKAGES, install=arguments.install)
    with lifecycle.locked(root):
        lab = load(root)
        if arguments.what == "up":
            ceph.up(lab, arguments.size)
        elif arguments.what == "admin":
            print(ceph.admin(lab, *arguments.argv), end="")
        else:
            {"down": ceph.down, "stop-osd": ceph.stop_osd, "start-osd": ceph.start_osd}[arguments.what](lab)


def _iscsi(root: Path, arguments: argparse.Namespace) -> None:
    if arguments.what == "up":
        packages.require(iscsi.PACKAGES, install=arguments.install)
    with lifecycle.locked(root):
        lab = load(root)
        if arguments.what == "lun":
            iscsi.lun(lab, arguments.number, arguments.size)
        else:
            {"up": iscsi.up, "down": iscsi.down, "start": iscsi.start, "stop": iscsi.stop}[arguments.what](lab)


def _openvswitch(root: Path, arguments: argparse.Namespace) -> None:
    packages.require(openvswitch.PACKAGES, install=arguments.install)
    with lifecycle.locked(root):
        {"up": openvswitch.up, "down": openvswitch.down}[arguments.what](load(root))


def _ssh_config(root: Path, _arguments: argparse.Namespace) -> None:
    print(access.ssh_config(load(root)), end="")


def _key(root: Path, _arguments: argparse.Namespace) -> None:
    print(load(root).root / "key")


def _images(root: Path, arguments: argparse.Namespace) -> None:
    debian = arguments.debian or arguments.machine
    packages.require(packages.DEBIAN_PACKAGES if debian else packages.IMAGE_PACKAGES, install=arguments.install)
    directory = _image_directory(root)
    with lifecycle.locked(directory):
        if arguments.debian:
            print(debianguest.build(directory, force=arguments.force))
            return
        if arguments.machine:
            print(machineimage.build(directory, force=arguments.force).root)
            return
        for path in images.build(directory, force=arguments.force):
            print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__import__("labkit").__doc__)
    parser.add_argument("--dir", default=os.environ.get("NEBULA_LAB", ".lab"), help="where labs are kept (NEBULA_LAB, ./.lab)")
    parser.add_argument("--name", default="lab", help="which lab; several may be up at once")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands.add_parser("up", help="make and start a lab"))
    commands.add_parser("down", help="end it and remove all of it").set_defaults(run=_down)
    shown = commands.add_parser("status", help="how its hosts are")
    shown.add_argument("-f", "--format", choices=("table", "json"), default="table")
    shown.set_defaults(run=_status)
    entered = commands.add_parser("exec", help="run a command as root inside a host")
    entered.add_argument("host")
    entered.add_argument("argv", nargs=argparse.REMAINDER, metavar="ARGV")
    entered.set_defaults(run=_exec)
    for name, function, needed in (("break", _break, None), ("mend", _mend, "?")):
        fault = commands.add_parser(name, help=f"{name} something on a host")
        fault.add_argument("host")
        fault.add_argument("what", choices=list(faults.FAULTS), nargs=needed)
        fault.set_defaults(run=function)
    _add_ceph(commands.add_parser("ceph", help="a Ceph beside the hosts"))
    _add_iscsi(commands.add_parser("iscsi", help="an iSCSI target beside the hosts"))
    switched = commands.add_parser("openvswitch", help="Open vSwitch on the hosts, joined by their eth2")
    switched.add_argument("what", choices=("up", "down"))
    _add_install(switched)
    switched.set_defaults(run=_openvswitch)
    commands.add_parser("ssh-config", help="print an ssh configuration for its hosts").set_defaults(run=_ssh_config)
    commands.add_parser("key", help="print the path of the key that its hosts accept").set_defaults(run=_key)
    built = commands.add_parser("images", help="build the guest's disk images and print their paths")
    built.add_argument("--force", action="store_true", help="build again even if nothing changed")
    built.add_argument("--machine", action="store_true", help="what hosts that are virtual machines boot from, instead")
    built.add_argument("--debian", action="store_true", help="the guest of Debian's packages, with cloud-init, instead")
    _add_install(built)
    built.set_defaults(run=_images)
    return parser


def _add_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("count", type=int, nargs="?", default=0, metavar="N", help="how many hosts, made of namespaces")
    parser.add_argument("--machines", type=int, default=0, metavar="N", help="how many further hosts, virtual machines (slow)")
    parser.add_argument("--disks", default="", metavar="GIB,...", help="further disks of each machine")
    parser.add_argument("--san", default="", metavar="GIB[xPATHS],...", help="disks that all machines see")
    parser.add_argument("--profile", choices=PROFILES, default="fast", help="libvirt's settings on the hosts")
    parser.add_argument("--stock", default="", metavar="HOST,...", help="these hosts have the stock profile")
    parser.add_argument("--memory", type=int, default=0, metavar="MIB", help="a host's memory (no limit)")
    parser.add_argument("--cpus", type=float, default=0.0, metavar="F", help="a host's CPUs (no limit)")
    parser.add_argument("--disk", type=int, default=8, metavar="GIB", help="size of a host's /var/lib/nebula (8)")
    parser.add_argument("--guest-bridge", default="", metavar="NAME", help="make this bridge in each host, all joined")
    parser.add_argument("--number", type=int, help="networks 10.77.N.0/24 and 10.78.N.0/24 (from the name)")
    parser.add_argument("--images", default="", metavar="DIR", help="where the machines' image is kept (DIR/images of --dir)")
    _add_install(parser)
    parser.set_defaults(run=_up)


def _add_ceph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("up", "down", "stop-osd", "start-osd", "admin"))
    parser.add_argument("--size", type=int, default=2, metavar="GIB", help="how much its OSD holds (2)")
    _add_install(parser)
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="ARGV", help="of admin: ceph or rbd, and what it is told")
    parser.set_defaults(run=_ceph)


def _add_iscsi(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("up", "down", "start", "stop", "lun"))
    parser.add_argument("number", type=int, nargs="?", default=1, metavar="N", help="of lun: its number (1)")
    parser.add_argument("--size", type=int, default=64, metavar="MIB", help="of lun: make it so large, or let it grow (64)")
    _add_install(parser)
    parser.set_defaults(run=_iscsi)


def _add_install(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-install", dest="install", action="store_false", help="refuse rather than install packages")
