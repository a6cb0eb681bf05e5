"""What of an NFS server a datastore's settings name, by OpenNebula's words, and how it is mounted.

Mounts are `hard`: a guest whose server is away waits, and goes on when it is back; with `soft` it would get errors for what it
has written. Locks are the server's, as QEMU's locks are what keeps two hosts from writing to one disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from nebula.errors import UsageError

OPTIONS = ("hard", "nodev", "nosuid", "noatime", "lookupcache=positive")
"""A missing file is asked for anew, as another host may have made it a moment ago."""
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]")
_PATH = re.compile(r"(/[A-Za-z0-9_@+=-][A-Za-z0-9._@+=-]*)+|/")
_OPTION = re.compile(r"[a-z_]+(=[A-Za-z0-9.:/_-]+)?")
_REFUSED = {
    "soft": "a guest would lose what it wrote while the server is away",
    "softerr": "a guest would lose what it wrote while the server is away",
    "nolock": "nothing would keep two hosts from writing to one disk",
    "local_lock": "nothing would keep two hosts from writing to one disk",
    "ro": "disks are written to",
}


class NfsSource(msgspec.Struct, frozen=True, kw_only=True):
    """`own`: it is an export that this engine makes on its own machine."""

    host: str
    path: str
    options: str = ""
    own: bool = False

    @property
    def source(self) -> str:
        """As mount takes it."""
        return f"{self.host}:{self.path}"

    @property
    def exporter(self) -> str:
        """The address of this engine's own machine, where the export is its own; it may be a host, too."""
        return self.host.strip("[]") if self.own else ""

    @property
    def mount_options(self) -> str:
        """Ours, then those that were given, which win."""
        return ",".join([*OPTIONS, *([self.options] if self.options else [])])


def nfs_of(datastore_id: int, settings: Mapping[str, str]) -> NfsSource | None:
    """The server and export that settings name; None where the hosts mount by themselves. UsageError for what cannot be."""
    given = {name.upper(): str(value).strip() for name, value in settings.items() if str(value).strip()}
    if given.get("NFS_AUTO_ENABLE", "yes").lower() not in ("yes", "true", "1"):
        return None
    found = {name: given.get(name, "") for name in ("NFS_AUTO_HOST", "NFS_AUTO_PATH", "NFS_AUTO_OPTS")}
    if not any(found.values()) and "NFS_EXPORT" not in given:
        return None
    host, path, options = found.values()
    if not host or not _HOST.fullmatch(host):
        raise UsageError(f"datastore {datastore_id} names no NFS server: {host[:60]!r}", hint="--nfs-host 10.0.0.5")
    if not _PATH.fullmatch(path):
        raise UsageError(f"datastore {datastore_id} names no export: {path[:60]!r}", hint="--nfs-path /srv/nebula")
    for option in options.split(",") if options else ():
        name = option.partition("=")[0]
        if not _OPTION.fullmatch(option):
            raise UsageError(f"{option[:60]!r} is no option of a mount by NFS", hint="--nfs-opts vers=4.1,nconnect=4")
        if name in _REFUSED:
            raise UsageError(f"an NFS mount for disks cannot be {name}", cause=_REFUSED[name], hint="leave it out")
    own = given.get("NFS_EXPORT", "").lower() in ("yes", "true", "1")
    return NfsSource(host=host, path=path, options=options, own=own)
