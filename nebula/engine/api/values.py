"""Answers of the façade, as typed values that go over the socket unchanged."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula.engine.api.tables import Listing, Query


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """How a verb that changes something is called.

    `actor` is set by whoever accepted the call (never believed from a peer). `key` makes a repeated call harmless: the
    first answer comes again. `dry_run` checks everything, changes nothing. `label`, of a verb that makes an object: the
    set of declarations that the object belongs to, and that may remove it again.
    """

    actor: str = ""
    key: str = ""
    dry_run: bool = False
    label: str = ""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What a changing verb answers, durably. `job_id` 0: done already; `further`: jobs beside it that have to end, too. `would`
    says what a dry run found it would do.
    """

    kind: str
    id: int
    name: str
    job_id: int = 0
    further: tuple[int, ...] = ()
    would: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[int, ...]:
        """All of its jobs."""
        return (self.job_id, *self.further) if self.job_id else ()


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """One object, whole, as nested plain values, ready for YAML and JSON; `kind` names what it is."""

    kind: str
    id: int
    name: str
    body: dict[str, Any]


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job as people see it. Sizes in bytes, times in seconds since the epoch."""

    id: int
    kind: str
    target_kind: str
    target_id: int
    target: str
    state: str
    step: str
    steps: int
    position: int
    direction: str
    done: int
    total: int
    attempt: int
    not_before: float
    created: float
    started: float
    ended: float
    actor: str
    error: dict[str, Any]
    parent_id: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"done", "failed", "cancelled"}


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a job's or a VM's log."""

    at: float
    level: str
    text: str
    source: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened; `seq` counts up."""

    seq: int
    at: float
    kind: str
    object_kind: str
    object_id: int
    actor: str
    body: dict[str, Any]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The engine itself."""

    version: str
    protocol: int
    home: str
    owner_pid: int
    role: str
    """daemon, command, runner or nobody."""
    started: float
    counts: dict[str, int]
    last_event: int
    jobs: dict[str, int]


class GateView(msgspec.Struct, frozen=True, kw_only=True):
    """OneGate. `listen`: ADDRESS:PORT, "" for none; `endpoint`: what guests are told; `listening`: guests can report now, and
    `problem` says why they cannot.
    """

    listen: str = ""
    endpoint: str = ""
    listening: bool = False
    problem: str = ""


class HostKeyOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a host shows: its type, the line to pin, its fingerprint (SHA256:…)."""

    type: str
    line: str
    fingerprint: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a check found; `fix` is a command that mends it. `where` is the object looked at."""

    where: str
    check: str
    level: str
    text: str
    fix: str = ""


class AttributeChange(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a declared object: as it is, and as the declaration wants it; None: it has none, or should not."""

    path: str
    before: str | None
    after: str | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What is between an object and its declaration. `action`: create, update, remove, or "" where it is as it should be.

    `id` 0: it does not exist yet. `job_id`: work on it that an earlier run left under way. `refused`: why it cannot be made
    so.
    """

    action: str
    kind: str
    name: str
    id: int = 0
    changes: tuple[AttributeChange, ...] = ()
    job_id: int = 0
    refused: str = ""


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """A program in a guest: whether it ended, and how. `signal` is the one that ended it, 0 for none; `cut`: it wrote more
    than is kept.
    """

    ended: bool
    status: int = 0
    signal: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    cut: bool = False


class FilePart(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a file in a guest; `end`: there is no more."""

    data: bytes
    end: bool


class CatalogueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An image that anybody can fetch by name."""

    name: str
    description: str
    url: str
    user: str
    arch: str


__all__ = [
    "Accepted",
    "AttributeChange",
    "Call",
    "CatalogueEntry",
    "Detail",
    "Difference",
    "Event",
    "Executed",
    "FilePart",
    "Finding",
    "HostKeyOffer",
    "JobView",
    "Listing",
    "LogLine",
    "Query",
    "Status",
]
