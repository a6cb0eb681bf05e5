"""Backups, as drivers are told of them."""

from __future__ import annotations

import msgspec


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a backup. A disk's first file holds all of it, each further one what changed since the one before, and lies
    on that one (`below`, a name; "": on nothing).
    """

    name: str
    below: str = ""
    size: int = 0
    """Bytes; 0: not known before it is stored."""
    sha256: str = ""
    mtime: int = 0
    """Seconds since the epoch, by which a repository knows that a file is the one that it has."""


class BackupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a hypervisor is to copy of a running domain, at one moment."""

    uuid: str
    targets: tuple[tuple[str, str], ...]
    """(the disk's name in the guest, the file to be made)."""
    checkpoint: str = ""
    """The name under which it remembers from now on what the guest writes; "": it does not."""
    since: str = ""
    """Only what was written since that checkpoint; "": everything."""
    freeze: bool = True
    """The guest's agent, where one answers, brings the file systems to rest."""


class StoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that becomes a backup in a repository."""

    directory: str
    uuid: str
    """The VM's."""
    tag: str
    """Names this one backup: who asks again, finds it."""
    at: int
    """The moment that it shows, seconds since the epoch."""
    description: str
    """What it is of, as JSON."""
    new: tuple[BackupFile, ...]
    """Files that are in the directory."""
    old: tuple[BackupFile, ...] = ()
    """Files that the backup `parent` has, and that this one has too without their being read again."""
    parent: str = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in its repository. `added`: bytes by which the repository grew."""

    snapshot: str
    added: int
    files: tuple[BackupFile, ...]


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How many backups of a VM are kept: the last ones, and the last of each of so many days, weeks and months."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    @property
    def everything(self) -> bool:
        """Whether nothing is to be forgotten."""
        return not (self.last or self.daily or self.weekly or self.monthly)
