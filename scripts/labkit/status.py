"""What a lab looks like now, for people and for programs."""

from __future__ import annotations

from typing import Any

from . import access, ceph, iscsi, machines, proc, services
from .spec import Host, Lab


def report(lab: Lab) -> dict[str, Any]:
    """Everything that a test needs to reach the lab, and how its hosts are."""
    return {
        "name": lab.name,
        "number": lab.number,
        "directory": str(lab.root),
        "gateway": lab.gateway(),
        "guest_bridge": lab.options.guest_bridge or None,
        "guest_gateway": lab.guest_gateway() if lab.options.guest_bridge else None,
        "key": str(lab.root / "key"),
        "known_hosts": str(lab.root / "known_hosts"),
        "ssh_config": str(lab.root / "ssh_config"),
        "shared": str(lab.root / "shared"),
        "ceph": ceph.report(lab),
        "iscsi": iscsi.report(lab),
        "hosts": [_host(lab, host) for host in lab.hosts],
    }


def table(lab: Lab) -> str:
    """The same as lines of columns."""
    rows = [("HOST", "ADDRESS", "PROFILE", "POWER", "SSHD", "LIBVIRTD", "BROKEN")]
    for item in report(lab)["hosts"]:
        states = ["on" if item[name] else "off" for name in ("power", "sshd", "libvirtd")]
        rows.append((item["name"], item["address"], item["profile"], *states, ",".join(item["broken"]) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _host(lab: Lab, host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": lab.address(host),
        "machine": host.machine,
        "disks": machines.disks(lab, host) if host.machine else [],
        "profile": host.profile,
        "uuid": host.uuid,
        "host_key": access.host_key(lab, host.name),
        "pid": host.init.pid if host.init else None,
        "power": proc.alive(host.init),
        "sshd": services.running(lab, host, "sshd"),
        "libvirtd": services.running(lab, host, "libvirtd"),
        "broken": list(host.broken),
    }
