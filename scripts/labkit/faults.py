"""What can be broken on a host, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import hosts, machines, network, proc, services
from .enter import attempt_inside, run_inside
from .errors import LabError
from .spec import Host, Lab, save

SLOW = "16mbit"
FILLER = "/var/lib/nebula/.lab-filler"


@dataclass(frozen=True)
class Fault:
    """One kind of damage and its repair."""

    inflict: Callable[[Lab, Host], None]
    repair: Callable[[Lab, Host], None]


def break_host(lab: Lab, host: Host, what: str) -> None:
    """Inflict a fault by name and remember it."""
    if what not in host.broken:
        FAULTS[what].inflict(lab, host)
        host.broken.append(what)
        save(lab)


def mend_host(lab: Lab, host: Host, what: str | None = None) -> None:
    """Repair one fault, or all in the order that works: power first, of a host that went down by itself too."""
    for name in [what] if what else _broken(host):
        FAULTS[name].repair(lab, host)
        host.broken = [known for known in host.broken if known != name]
        save(lab)


def _broken(host: Host) -> list[str]:
    off = not proc.alive(host.init)
    return [name for name in FAULTS if name in host.broken or (off and name == "power")]


def _cut(lab: Lab, host: Host) -> None:
    network.set_link(lab.link(host), "down")


def _join(lab: Lab, host: Host) -> None:
    network.set_link(lab.link(host), "up")


def _slow_down(lab: Lab, host: Host) -> None:
    network.slow_down(lab.link(host), SLOW)
    run_inside(lab, host, network.slow_argv("eth0", SLOW))


def _speed_up(lab: Lab, host: Host) -> None:
    network.speed_up(lab.link(host))
    attempt_inside(lab, host, network.quick_argv("eth0"))


def _cut_guests(lab: Lab, host: Host) -> None:
    if not lab.options.guest_bridge:
        raise LabError("this lab has no guest network", hint="scripts/lab up 2 --guest-bridge br0")
    network.set_link(lab.guest_link(host), "down")


def _join_guests(lab: Lab, host: Host) -> None:
    network.set_link(lab.guest_link(host), "up")


def _fill(lab: Lab, host: Host) -> None:
    """Allocate until nothing is left; nothing is written, so the machine's own disk does not fill."""
    attempt_inside(lab, host, ["fallocate", "-l", f"{_free_bytes(lab, host)}", FILLER])
    attempt_inside(lab, host, ["dd", "if=/dev/zero", f"of={FILLER}.rest", "bs=4k"], seconds=300)
    if _free_bytes(lab, host) > 1 << 20:
        raise LabError(f"/var/lib/nebula of {host.name} could not be filled")


def _clear(lab: Lab, host: Host) -> None:
    run_inside(lab, host, ["rm", "-f", FILLER, f"{FILLER}.rest"])


def _free_bytes(lab: Lab, host: Host) -> int:
    return int(run_inside(lab, host, ["df", "--output=avail", "-B1", "/var/lib/nebula"]).split()[1])


def _power_on(lab: Lab, host: Host) -> None:
    """Start the host; faults of its former life that lay in processes and cables are gone with it."""
    if proc.alive(host.init):
        return
    hosts.stop(lab, host)
    hosts.start(lab, host)
    if host.machine:
        machines.wait(lab, host)
    host.broken = [name for name in host.broken if name == "disk"]


def _service(name: str) -> Fault:
    return Fault(lambda lab, host: services.kill(lab, host, name), lambda lab, host: services.start(lab, host, name))


def _take_san(lab: Lab, host: Host) -> None:
    _set_san(lab, host, "n[$2] >= 1", "offline")


def _take_san_path(lab: Lab, host: Host) -> None:
    """The second of those disks that have one."""
    _set_san(lab, host, "n[$2] == 2", "offline")


def _give_san(lab: Lab, host: Host) -> None:
    _set_san(lab, host, "n[$2] >= 1", "running")


def _set_san(lab: Lab, host: Host, which: str, state: str) -> None:
    """What the kernel does with a SAN's device: `offline` fails whatever is asked of it."""
    if not host.machine or not lab.options.san:
        raise LabError(f"{host.name} sees no SAN", hint="scripts/lab up --machines 2 --san 4")
    chosen = f"lsblk -dno NAME,SERIAL | awk '$2 ~ /^san/ {{ n[$2]++; if ({which}) print $1 }}'"
    run_inside(lab, host, ["sh", "-c", f"for name in $({chosen}); do echo {state} >/sys/block/$name/device/state; done"])


FAULTS = {
    "power": Fault(hosts.stop, _power_on),
    "network": Fault(_cut, _join),
    "guest-network": Fault(_cut_guests, _join_guests),
    "slow-network": Fault(_slow_down, _speed_up),
    "san": Fault(_take_san, _give_san),
    "san-path": Fault(_take_san_path, _give_san),
    "libvirtd": _service("libvirtd"),
    "sshd": _service("sshd"),
    "disk": Fault(_fill, _clear),
}
