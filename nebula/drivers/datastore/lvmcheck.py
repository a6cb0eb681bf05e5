"""Whether a host can use a volume group: tools, the group, its thin pool, what was left over; then a small volume is tried."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lvmgroup import Report, VolumeGroup
from nebula.drivers.datastore.lvmsettings import LvmSettings
from nebula.errors import NebulaError
from nebula.model.host import Finding

_TOOLS = {
    "lvm": "lvm2",
    "dmsetup": "dmsetup",
    "qemu-img": "qemu-utils",
    "blkdiscard": "util-linux",
    "blockdev": "util-linux",
    "flock": "util-linux",
    "gzip": "gzip",
    "mke2fs": "e2fsprogs",
}
_THIN_TOOLS = {"thin_check": "thin-provisioning-tools"}
_LOOK = 'PATH=$PATH:/usr/sbin:/sbin; for tool; do command -v "$tool" >/dev/null || echo "$tool"; done'
_LOW_SPACE = 1 << 30
_TRIAL = 4 << 20


def check_lvm(host: HostHandle, group: VolumeGroup) -> list[Finding]:
    """Findings; each error with what mends it."""
    missing = _missing(host, group.settings)
    if missing:
        return missing
    try:
        report = group.report(host)
    except NebulaError as error:
        return [_no_group(group.settings, error)]
    found = [*_members(host, report), *_pool(host, report, group.settings), *_left(host, report, group.settings)]
    if any(finding.level == "error" for finding in found):
        return found
    try:
        group.write(host, "trial", f"nebula-check-{host.host_id:d}", str(_TRIAL // 512))
    except NebulaError as error:
        text = f"{error.message}: {error.cause}".rstrip(": ")
        return [*found, Finding(check="datastore.lvm", level="error", text=text, fix=error.hint)]
    text = f"host {host.name} made, wrote, read and removed a volume in group {report.name}"
    return [*found, Finding(check="datastore", level="ok", text=f"{text}; sizes are rounded up to {report.extent >> 20} MiB")]


def _missing(host: HostHandle, settings: LvmSettings) -> list[Finding]:
    tools = {**_TOOLS, **(_THIN_TOOLS if settings.pool else {})}
    missing = host.transport.run(["sh", "-c", _LOOK, "nebula-check", *tools], root=True).text.split()
    if not missing:
        return []
    packages = " ".join(sorted({tools[tool] for tool in missing}))
    fix = f"apt-get install -y {packages}"
    return [Finding(check="datastore.tools", level="error", text=f"missing: {', '.join(missing)}", fix=fix)]


def _no_group(settings: LvmSettings, error: NebulaError) -> Finding:
    fix = f"vgcreate {settings.group} /dev/DISK"
    if settings.shared:
        fix = f"lsblk; pvscan; then, on one host alone: {fix}"
    return Finding(check="datastore.group", level="error", text=f"{error.message}: {error.cause}".rstrip(": "), fix=fix)


def _members(host: HostHandle, report: Report) -> list[Finding]:
    found = []
    if report.missing:
        text = f"host {host.name} does not find {report.missing} of the disks of volume group {report.name}"
        found.append(Finding(check="datastore.group", level="error", text=text, fix="lsblk; pvs; multipath -ll"))
    if report.lock_type not in ("", "none"):
        text = f"volume group {report.name} is locked by {report.lock_type}, which Nebula does not use"
        fix = f"vgchange --lock-type none --lock-opt force {report.name}"
        found.append(Finding(check="datastore.group", level="error", text=text, fix=fix))
    return found


def _pool(host: HostHandle, report: Report, settings: LvmSettings) -> list[Finding]:
    if not settings.pool:
        return _room(report)
    pool = report.volume(settings.pool)
    name = f"{report.name}/{settings.pool}"
    if pool is None or pool.metadata < 0 <= pool.data or (pool.data < 0 and pool.active):
        text = f"host {host.name} has no thin pool {name}"
        fix = f"lvcreate --type thin-pool -l 90%FREE -n {settings.pool} {report.name}"
        return [Finding(check="datastore.pool", level="error", text=text, fix=fix)]
    found = []
    for what, used, fix in (
        ("data", pool.data, f"lvextend -L +10G {name}"),
        ("metadata", pool.metadata, f"lvextend --poolmetadatasize +1G {name}"),
    ):
        if used >= settings.limit:
            text = f"thin pool {name} on host {host.name}: {used:.0f} % of its {what} is used, so nothing more is placed there"
            found.append(Finding(check="datastore.space", level="warning", text=text, fix=fix))
    return found


def _room(report: Report) -> list[Finding]:
    if report.free >= _LOW_SPACE:
        return []
    text = f"less than 1 GiB is free in volume group {report.name} ({report.free >> 20} MiB)"
    return [
        Finding(check="datastore.space", level="warning", text=text, fix=f"vgs {report.name}; vgextend {report.name} /dev/DISK")
    ]


def _left(host: HostHandle, report: Report, settings: LvmSettings) -> list[Finding]:
    """Volumes that are open here although they are another host's."""
    if not settings.shared:
        return []
    found = []
    for volume in report.volumes:
        if volume.open and volume.hosts and host.host_id not in volume.hosts:
            name = f"{report.name}/{volume.name}"
            text = f"volume {name} is open on host {host.name}, but belongs to host {volume.hosts[0]} (its id)"
            fix = f"lsof /dev/{name}; virsh list --all"
            found.append(Finding(check="datastore.volume", level="error", text=text, fix=fix))
    return found
