"""The contract of drivers of repositories, in which backups are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base.host import HostHandle, Progress
from nebula.model.backup import BackupFile, Keep, Stored, StoreRequest
from nebula.model.host import Finding


class RepositoryCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver of repositories can do."""

    increments: bool
    """A backup may share files with an earlier one, and is whole all the same."""


class Repository(Protocol):
    """Where backups are kept. Every method names the host on which it acts, and its work as long commands are named."""

    @property
    def capabilities(self) -> RepositoryCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle, *, job: str) -> list[Finding]:
        """Whether the host can use it: tools, a way to it, its password, room for a lock. Made, if nothing is at its place."""
        ...

    def prepare(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """See that it is there and opens with its password; made, if nothing is at its place."""
        ...

    def store(
        self, host: HostHandle, request: StoreRequest, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> Stored:
        """Keep a directory. One of the same tag that is there already is it. ConflictError: the parent is not there whole, so
        what is new does not make a backup.
        """
        ...

    def fetch(
        self,
        host: HostHandle,
        snapshot: str,
        directory: str,
        files: Sequence[BackupFile],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Bring a backup's files to a directory, and compare each with what was stored. DamagedError: one is not the same, or
        is missing; NotFoundError: there is no such backup.
        """
        ...

    def find(self, host: HostHandle, tag: str, *, job: str, cancel: CancelToken | None) -> str:
        """The backup of that tag; "" if there is none."""
        ...

    def due(self, host: HostHandle, uuid: str, keep: Keep, *, job: str, cancel: CancelToken | None) -> list[str]:
        """Backups of the VM that need not be kept."""
        ...

    def forget(self, host: HostHandle, snapshots: Sequence[str], *, job: str, cancel: CancelToken | None) -> None:
        """Backups are no more; what they had is still there. Not there: nothing."""
        ...

    def prune(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """Delete what no backup needs."""
        ...

    def abandon(self, host: HostHandle, job: str) -> None:
        """See Datastore.abandon."""
        ...
