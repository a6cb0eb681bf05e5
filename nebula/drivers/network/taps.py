"""The VMs' cards on the host. libvirt makes and deletes taps; we look after what it leaves."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Link, batch, links
from nebula.drivers.network.names import check_device, is_tap
from nebula.errors import NotFoundError
from nebula.model.network import NicSpec

_HOLDERS = ["find", "/proc", "-maxdepth", "3", "-path", "/proc/[0-9]*/fdinfo/*", "-exec", "grep", "-lsxE"]


def list_taps(host: HostHandle) -> list[str]:
    """Devices called `one-VMID-NICID`, sorted."""
    return sorted(name for name in links(host) if is_tap(name))


def require_tap(host: HostHandle, nic: NicSpec) -> Link:
    """The card's device; NotFoundError if it is not there."""
    link = links(host).get(check_device(nic.tap))
    if link is None:
        raise NotFoundError(
            f"card {nic.nic_id} of VM {nic.vm_id} has no device {nic.tap} on host {host.name}",
            cause="the domain is not running there, or was started without this card",
            hint=f"nebula vm show {nic.vm_id} --refresh",
        )
    return link


def check_plugged(host: HostHandle, nic: NicSpec) -> None:
    """See that the card is there and is a port of its bridge; NotFoundError if it is not there."""
    link = require_tap(host, nic)
    if link.master != nic.network.bridge:
        batch(host, [f"link set dev {nic.tap} master {check_device(nic.network.bridge)}", f"link set dev {nic.tap} up"])


def remove_leftover(host: HostHandle, nic: NicSpec) -> None:
    """Delete the card's tap if it outlived its process. One that a process holds goes away with that process."""
    link = links(host).get(check_device(nic.tap))
    if link is not None and is_tap(nic.tap) and _outlives(link) and not _held(host, nic.tap):
        batch(host, [f"link delete dev {nic.tap}"])


def _outlives(link: Link) -> bool:
    return link.kind != "tun" or link.linkinfo.info_data.persist


def _held(host: HostHandle, tap: str) -> bool:
    """Whether a process has the tap open: its descriptor's fdinfo says `iff: NAME`."""
    done = host.transport.run([*_HOLDERS, f"iff:[[:space:]]*{tap}", "{}", "+"], root=True, check=False)
    return bool(done.stdout.strip())
