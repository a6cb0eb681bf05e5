"""What a lab is: its hosts, addresses and options, as values that are written to one JSON file."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import LabError
from .proc import Process

PROFILES = ("fast", "stock")


@dataclass(frozen=True)
class Options:
    """What the person asked of `up`; memory in MiB and CPUs per host, 0 for no limit; sizes of disks in GiB.

    `machines` of the hosts are virtual machines; each has further disks of the sizes in `disks` for itself, and sees those of
    `san` together with the others, each by as many paths as `san_paths` says.
    """

    profile: str = "fast"
    stock_hosts: tuple[str, ...] = ()
    memory: int = 0
    cpus: float = 0.0
    disk: int = 8
    guest_bridge: str = ""
    machines: int = 0
    disks: tuple[int, ...] = ()
    san: tuple[int, ...] = ()
    san_paths: tuple[int, ...] = ()

    def limited(self) -> bool:
        """Whether a host is smaller than the machine."""
        return bool(self.memory or self.cpus)


@dataclass
class Host:
    """One host; `init` is its first process, `runner` the `unshare` above it, `broken` what `break` took away.

    Where it is a virtual machine, `init` is the process that emulates it.
    """

    name: str
    index: int
    profile: str
    uuid: str
    machine: bool = False
    runner: Process | None = None
    init: Process | None = None
    broken: list[str] = field(default_factory=list)


@dataclass
class Lab:
    """A lab by name under its own directory; `number` is the third byte of its networks and part of its interface names."""

    name: str
    root: Path
    number: int
    options: Options
    hosts: list[Host]
    lxcfs: Process | None = None
    ceph: Process | None = None
    """The first process of the namespaces that Ceph runs in, where the lab has one."""
    iscsi: Process | None = None
    """The same for its iSCSI target."""

    def host(self, name: str) -> Host:
        """The host of that name; raises `LabError` naming those there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"lab {self.name} has no host {name!r}: it has {', '.join(h.name for h in self.hosts)}")

    def directory(self, host: Host) -> Path:
        """Where all files of `host` lie on this machine."""
        return self.root / "hosts" / host.name

    def address(self, host: Host) -> str:
        """The host's management address."""
        return f"10.77.{self.number}.{10 + host.index}"

    def gateway(self) -> str:
        """The front end's address on the management network."""
        return f"10.77.{self.number}.1"

    def guest_gateway(self) -> str:
        """The front end's address on the guests' network (prefix length 24)."""
        return f"10.78.{self.number}.1"

    def bridge(self) -> str:
        """The management network's bridge on this machine."""
        return f"nl{self.number}"

    def guest_bridge(self) -> str:
        """The bridge on this machine that joins the hosts' guest bridges."""
        return f"nlg{self.number}"

    def link(self, host: Host) -> str:
        """The front end's end of the host's management cable."""
        return f"{self.bridge()}h{host.index}"

    def guest_link(self, host: Host) -> str:
        """The front end's end of the host's guest cable."""
        return f"{self.guest_bridge()}h{host.index}"

    def machines(self) -> list[Host]:
        """Those hosts that are virtual machines."""
        return [host for host in self.hosts if host.machine]

    def entry(self, host: Host) -> str:
        """Where on this machine's loopback the lab itself gets into a host that is a virtual machine."""
        return f"127.77.{self.number}.{host.index}"

    def switch(self) -> str:
        """The bridge on this machine that joins the hosts' eth2, for whatever VLANs."""
        return f"nlo{self.number}"

    def switch_link(self, host: Host) -> str:
        """The front end's end of the host's cable to that bridge."""
        return f"{self.switch()}h{host.index}"


def make_hosts(count: int, options: Options) -> list[Host]:
    """Hosts h1 to h`count` of namespaces and m1 to m`machines`, each with a UUID of its own."""
    names = [f"h{index}" for index in range(1, count + 1)] + [f"m{index}" for index in range(1, options.machines + 1)]
    profiles = {name: "stock" if name in options.stock_hosts else options.profile for name in names}
    return [Host(name, index, profiles[name], str(uuid.uuid4()), machine=index > count) for index, name in enumerate(names, 1)]


def save(lab: Lab) -> None:
    """Write the lab's state, whole or not at all."""
    path = lab.root / "lab.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**asdict(lab), "root": str(lab.root)}, indent=1))
    part.replace(path)


def load(root: Path) -> Lab:
    """The lab whose directory is `root`; raises `LabError` if there is none."""
    try:
        data = json.loads((root / "lab.json").read_text())
    except FileNotFoundError as error:
        raise LabError(f"no lab runs in {root}", hint=f"{command(root)} up 2") from error
    lists = {key: tuple(value) for key, value in data["options"].items() if isinstance(value, list)}
    options = Options(**{**data["options"], **lists})
    hosts = [_host(item) for item in data["hosts"]]
    beside = (_process(data.get(name)) for name in ("lxcfs", "ceph", "iscsi"))
    return Lab(data["name"], root, data["number"], options, hosts, *beside)


def command(root: Path) -> str:
    """How a person types this program for the lab in `root`."""
    return f"scripts/lab --dir {os.path.relpath(root.parent)} --name {root.name}"


def _host(item: dict[str, Any]) -> Host:
    return Host(**{**item, "runner": _process(item["runner"]), "init": _process(item["init"])})


def _process(item: dict[str, int] | None) -> Process | None:
    return Process(**item) if item else None
