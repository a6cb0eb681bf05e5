"""Whether a host can use a pool of Ceph's: tools first, then the whole round with a small image that is gone after it."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.rbd import Rbd
from nebula.errors import NebulaError
from nebula.model.host import Finding

_TOOLS = {"rbd": "ceph-common", "ceph": "ceph-common", "qemu-img": "qemu-utils", "virsh": "libvirt-clients"}
_LOOK = r"""
PATH=$PATH:/usr/sbin:/sbin
for tool; do command -v "$tool" >/dev/null || echo "$tool"; done
qemu-img --help 2>/dev/null | grep -q '^Supported formats:.* rbd' || echo block-rbd
"""
_LOW_SPACE = 1 << 30


def check_ceph(host: HostHandle, rbd: Rbd) -> list[Finding]:
    """Findings; each error with what mends it."""
    missing = host.transport.run(["sh", "-c", _LOOK, "nebula-check", *_TOOLS], root=True).text.split()
    if missing:
        packages = sorted({_TOOLS.get(tool, "qemu-block-extra") for tool in missing})
        text = f"missing: {', '.join(missing)}"
        fix = f"apt-get install -y {' '.join(packages)}"
        return [Finding(check="datastore.tools", level="error", text=text, fix=fix)]
    try:
        usage = rbd.usage(host)
        rbd.run(host, "trial", f"nebula-check-{host.host_id:d}", f"{host.root}/ceph/check.raw")
    except NebulaError as error:
        text = f"{error.message}: {error.cause}".rstrip(": ")
        return [Finding(check="datastore.ceph", level="error", text=text, fix=error.hint)]
    if usage.free < _LOW_SPACE:
        text = f"less than 1 GiB is free in Ceph pool {rbd.cluster.pool} ({usage.free >> 20} MiB)"
        return [Finding(check="datastore.space", level="warning", text=text, fix="ceph df")]
    text = f"host {host.name} wrote, cloned, read and removed an image in Ceph pool {rbd.cluster.pool}"
    return [Finding(check="datastore", level="ok", text=text)]
