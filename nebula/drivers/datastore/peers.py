"""Host-to-host copies: the target pulls with rsync over ssh, with its own key and its pinned list of peers.

Pulling keeps the lock, the part and the final rename on one machine. Compression is there for holes: rsync sends a hole as
zeros, which take next to nothing when compressed, and `--sparse` makes holes of them again.
"""

from __future__ import annotations

import re

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.layout import checked_path
from nebula.drivers.datastore.making import Recipe
from nebula.errors import ConflictError, UsageError
from nebula.transport.peers import peer_ssh

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def pull(source: HostHandle, target: HostHandle, path: str, *, again: bool = False) -> Recipe:
    """The recipe that brings `path` from `source` to whichever file it makes on `target`; `again`: refreshes it, also where
    both have the same length and were written within the same second, which is all that rsync would look at.
    """
    rsync = ["rsync", "--sparse", "--inplace", "--times", "--compress", "--compress-level=1", "--no-human-readable"]
    rsync += ["--ignore-times"] if again else []
    rsync += ["--info=progress2", "--outbuf=L", f"--rsh={_ssh(source, target)}"]
    if source.user != "root":
        rsync.append("--rsync-path=sudo -n rsync")
    return Recipe("pull", *rsync, "--", f"{login(source)}:{checked_path(path)}", again=again)


def peer_argv(source: HostHandle, target: HostHandle) -> list[str]:
    """The beginning of a command by which `target` runs another one on `source`; the login follows."""
    return [*peer_ssh(checked_path(target.root), source.port), "-T"]


def size_on(host: HostHandle, path: str) -> int:
    """The file's length in bytes."""
    return int(host.transport.run(["stat", "-c", "%s", "--", path], root=True).text)


def _ssh(source: HostHandle, target: HostHandle) -> str:
    return " ".join(peer_argv(source, target))


def login(source: HostHandle) -> str:
    """USER@ADDRESS, as which other hosts reach a host; ConflictError if they do not."""
    if not source.address:
        hint = f"give it one: nebula host update {source.name} --address ADDRESS"
        raise ConflictError(f"host {source.name} has no address at which other hosts reach it", hint=hint)
    if not _ADDRESS.fullmatch(source.address) or not _USER.fullmatch(source.user):
        raise UsageError(f"host {source.name} is reached as {source.user}@{source.address}, which ssh would misread")
    address = f"[{source.address}]" if ":" in source.address else source.address
    return f"{source.user}@{address}"
