"""What must be so whenever nothing is under way, whatever happened before: asked of both hosts, not of the engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually

HOSTS = ("h1", "h2")
OWN, SHARED = "/var/lib/nebula/datastores", "/srv/nebula-shared"
_SETTLED = {"PENDING", "HOLD", "RUNNING", "POWEROFF", "PROLOG_FAILURE", "BOOT_FAILURE"}
_LOOK = r"""
virsh list --all --name | sed -n 's/^./domain &/p'
virsh list --state-running --name | sed -n 's/^./runs &/p'
ls /sys/class/net | sed -n 's/^one-/tap &/p'
ls /var/lib/nebula/work 2>/dev/null | sed 's/^/work /'
find "$1" "$2" -mindepth 1 -type d -path '*/vms/*' -printf 'vm %p\n'
find "$1" "$2" -type f -path '*/images/*' ! -name '*.*.*' -printf 'image %f\n'
find "$1" "$2" -path '*/scratch/*' -printf 'half %p\n'
find "$1" "$2" -type f \( -name '*.part*' -o -name '*.lock' -o -name '*.staged*' -o -name '.nebula.*' \) -printf 'half %p\n'
"""


@dataclass(frozen=True)
class Seen:
    """What a host has of ours, by kind: domain, runs, tap, work, vm, image, half."""

    lines: frozenset[tuple[str, str]]

    def of(self, kind: str) -> set[str]:
        """All of one kind."""
        return {name for known, name in self.lines if known == kind}


def look(lab: LabHandle, host: str) -> Seen:
    """Ask a host, in one go and past the engine."""
    said = lab.exec(host, "sh", "-c", _LOOK, "look", OWN, SHARED)
    return Seen(frozenset((kind, name) for kind, _, name in (line.partition(" ") for line in said.splitlines())))


def open_jobs(cluster: Program) -> list[dict[str, Any]]:
    """Jobs that have not ended."""
    return list(cluster.json("job", "list", "state~^(ready|running|waiting)$", "-f", "json"))


def assert_sound(cluster: Program, lab: LabHandle) -> None:
    """No job is open, every VM is in a state to stay in and is where it is shown, and nothing lies about on any host."""
    assert open_jobs(cluster) == []
    vms = cluster.json("vm", "list", "-c", "id,name,state,host", "-f", "json")
    assert {vm["state"] for vm in vms} <= _SETTLED, vms
    assert cluster.json("network", "show", "lan", "-f", "json")["leases"] == len(vms)
    images = cluster.json("image", "list", "-f", "json")
    copies = [cluster.json("image", "show", image["name"], "-f", "json") for image in images]
    for host in HOSTS:
        _assert_host(host, look(lab, host), vms, copies)


def _assert_host(host: str, seen: Seen, vms: list[dict[str, Any]], images: list[dict[str, Any]]) -> None:
    here = [vm for vm in vms if vm["host"] == host]
    domains = {f"one-{vm['id']}" for vm in here}
    running = {f"one-{vm['id']}" for vm in here if vm["state"] == "RUNNING"}
    assert seen.of("domain") == domains, f"domains on {host}"
    assert seen.of("runs") == running, f"guests that run on {host}"
    assert seen.of("tap") == {f"{name}-0" for name in running}, f"taps on {host}"
    own = {path for path in seen.of("vm") if path.startswith(OWN)}
    assert {path.rpartition("/")[2] for path in own} <= {str(vm["id"]) for vm in here}, f"disks on {host}"
    shared = {path.rpartition("/")[2] for path in seen.of("vm") - own}
    assert shared <= {str(vm["id"]) for vm in vms}, "disks on the shared datastore"
    assert (seen.of("half"), seen.of("work")) == (set(), set()), f"what was left on {host}"
    known = {f"{image['uuid']}.{image['format']}" for image in images if {host, "shared storage"} & set(image["copies_on"])}
    assert seen.of("image") == known, f"images on {host}"


_SHA = 'qemu-img convert -U -f "$1" -O raw "$2" /root/seen && sha256sum </root/seen && rm /root/seen'


def digest(lab: LabHandle, host: str, path: str, form: str = "qcow2") -> str:
    """Of what is seen through a file."""
    return lab.exec(host, "sh", "-c", _SHA, "sha", form, path).split()[0]


def assert_would_boot(cluster: Program, lab: LabHandle, name: str, image: Path, hostname: str) -> None:
    """What QEMU has open is whole, to the last byte: the guest's image, and its name on its CD. A boot takes longer."""
    vm = cluster.vm(name)
    said = lab.exec(vm["host"], "virsh", "-q", "domblklist", f"one-{vm['id']}").split()
    source = dict(zip(said[::2], said[1::2], strict=True))
    with image.with_suffix(".raw").open("rb") as raw:
        assert digest(lab, vm["host"], source["vda"]) == hashlib.file_digest(raw, "sha256").hexdigest()
    (cd,) = [path for path in source.values() if path.endswith("/context.iso")]
    assert f"SET_HOSTNAME='{hostname}'" in lab.exec(vm["host"], "grep", "-a", "HOSTNAME", cd)


def assert_no_forwarded_ports(lab: LabHandle) -> None:
    """The ssh processes that carry migrations end by themselves, a minute after the last connection."""
    for host in HOSTS:
        eventually(partial(_closed, lab, host), f"{host}'s ports to close")


def _closed(lab: LabHandle, host: str) -> bool:
    return "ssh -f" not in lab.exec(host, "ps", "-eo", "args")
