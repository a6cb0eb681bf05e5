"""LUNs that the hosts' kernels have as block devices: by the kernel's iSCSI initiator, Fibre Channel or whatever else.

Every host has them by a path that does not change: /dev/disk/by-id/wwn-…, or /dev/mapper/… where several ways lead to one.
"""

from __future__ import annotations

import re

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lun import Lun, LunDatastore, in_words
from nebula.drivers.datastore.luncheck import check_devices
from nebula.drivers.datastore.lunscript import ABSENT, DEVICE_LOOK, DEVICE_RESCAN, DEVICE_USERS
from nebula.errors import CommandError, NotFoundError, UsageError
from nebula.model.host import Finding
from nebula.transport.scripts import sh

_PATH = re.compile(r"/dev/(?:disk/by-(?:id|path)|mapper)/[A-Za-z0-9_][A-Za-z0-9._:+@=-]{0,254}")


class DevDatastore(LunDatastore):
    """No settings; an image's source is the path of a block device."""

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check: tools, and LUNs to which several ways lead without multipath, or with a dead one."""
        return check_devices(host)

    def canonical_source(self, source: str) -> str:
        """See Datastore.canonical_source."""
        if not _PATH.fullmatch(source.strip()):
            cause = "names like /dev/sdb change with each start of a host" if source.startswith("/dev/") else ""
            raise UsageError(
                f"{source[:80]!r} is no path that a LUN keeps",
                cause=cause,
                hint="--source /dev/disk/by-id/wwn-0x…, or /dev/mapper/… with multipath: ls -l /dev/disk/by-id /dev/mapper",
            )
        return source.strip()

    def path_of(self, source: str) -> str:
        """See LunDatastore.path_of."""
        return self.canonical_source(source)

    def source_at(self, path: str) -> str:
        """See LunDatastore.source_at."""
        return path if _PATH.fullmatch(path) else ""

    def make_ready(self, host: HostHandle) -> None:
        """Nothing: the host has them."""

    def options(self, host: HostHandle, source: str) -> tuple[str, str]:  # noqa: ARG002 - the same on every host
        """See LunDatastore.options."""
        return f"driver=raw,file.driver=host_device,file.filename={source}", ""

    def look(self, host: HostHandle, source: str) -> Lun:
        """See LunDatastore.look."""
        size, _, identity = self._run(host, DEVICE_LOOK, source).partition(" ")
        return Lun(int(size), identity.strip() or source)

    def rescan(self, host: HostHandle, source: str) -> None:
        """See LunDatastore.rescan."""
        self._run(host, DEVICE_RESCAN, source)

    def users(self, host: HostHandle, source: str) -> list[str]:
        """See LunDatastore.users."""
        try:
            return self._run(host, DEVICE_USERS, source).splitlines()
        except NotFoundError:
            return []

    def _run(self, host: HostHandle, script: str, source: str) -> str:
        try:
            return host.transport.run(sh(script, source), root=True).text.strip()
        except CommandError as error:
            if error.status != ABSENT:
                raise in_words(host, source, error) from error
            raise NotFoundError(
                f"host {host.name} has no block device {source}",
                cause=error.cause,
                hint=f"ssh {host.name} lsblk -o NAME,SIZE,WWN; rescan: iscsiadm -m session --rescan, or rescan-scsi-bus.sh",
            ) from error
