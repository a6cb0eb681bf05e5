"""Every error that Nebula raises, drawn once.

NebulaError                      exit 1   code "failed"          OpenNebula ACTION     0x0800
├── UsageError                   exit 2   "usage"                OpenNebula API        0x0400
├── NotFoundError                exit 3   "not_found"            OpenNebula NO_EXISTS  0x0400
├── DeniedError                  exit 4   "denied"               OpenNebula AUTHORIZATION 0x0200
│   └── HostKeyError             exit 4   "host_key"             a pinned host key differs
├── ConflictError                exit 5   "conflict"             OpenNebula ACTION     0x0800
│   ├── WrongStateError          exit 5   "wrong_state"          the transition table forbids the verb now
│   ├── StaleError               exit 5   "stale"                somebody changed the object meanwhile
│   ├── OwnerError               exit 5   "owner"                another process owns the engine
│   └── VersionError             exit 5   "version"              the file or the peer is of another version
├── UnreachableError             exit 6   "unreachable"          OpenNebula INTERNAL   0x1000
│   └── MissingLibraryError      exit 6   "missing_library"      libvirt's client library is not installed
├── TimedOutError                exit 7   "timed_out"            OpenNebula INTERNAL   0x1000
├── PartlyDoneError              exit 8   "partly_done"          OpenNebula ACTION     0x0800
├── InterruptedByUser            exit 130 "interrupted"
├── CapacityError                exit 1   "capacity"             no space, no address, no room
├── ImageError                   exit 1   "image"                an image that lies, or cannot be read
├── DamagedError                 exit 1   "damaged"              a backup is not what was stored
└── CommandError                 exit 1   "command"              a tool on a host answered with an error

A message says what failed, where and why; `hint` is a command to type next. The classes are the contract: fronts map
`exit_status` and `code` once and never look at the text.
"""

from __future__ import annotations

from collections.abc import Sequence


class NebulaError(Exception):
    """Base of the tree.

    `message` says what failed and where; `cause` says why, in the tool's own words where there are some;
    `hint` is one command (or one sentence) that helps.
    """

    code = "failed"
    exit_status = 1
    opennebula_code = 0x0800

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.cause}" if self.cause else self.message

    def as_dict(self) -> dict[str, str]:
        """The error as it goes over the socket: code, message, cause, hint."""
        return {"code": self.code, "message": self.message, "cause": self.cause, "hint": self.hint}


class UsageError(NebulaError):
    """What was typed (flag, file, name) cannot be understood or is out of range."""

    code = "usage"
    exit_status = 2
    opennebula_code = 0x0400


class NotFoundError(NebulaError):
    """No object of that name or id."""

    code = "not_found"
    exit_status = 3
    opennebula_code = 0x0400


class DeniedError(NebulaError):
    """The acting user may not do this, or a host refused our credentials."""

    code = "denied"
    exit_status = 4
    opennebula_code = 0x0200


class HostKeyError(DeniedError):
    """A host shows another key than the pinned one."""

    code = "host_key"


class ConflictError(NebulaError):
    """The request is sound but something that exists stands against it."""

    code = "conflict"
    exit_status = 5


class WrongStateError(ConflictError):
    """The object's state does not allow the verb."""

    code = "wrong_state"


class StaleError(ConflictError):
    """The object changed between reading and writing (compare-and-swap failed)."""

    code = "stale"


class OwnerError(ConflictError):
    """Another process owns the engine of this home, or this one lost it."""

    code = "owner"


class VersionError(ConflictError):
    """A database or a peer of a version that this program does not speak."""

    code = "version"


class UnreachableError(NebulaError):
    """A host or the engine does not answer."""

    code = "unreachable"
    exit_status = 6
    opennebula_code = 0x1000


class MissingLibraryError(UnreachableError):
    """libvirt's client library or its Python binding cannot be loaded here."""

    code = "missing_library"


class TimedOutError(NebulaError):
    """A named deadline passed."""

    code = "timed_out"
    exit_status = 7
    opennebula_code = 0x1000


class PartlyDoneError(NebulaError):
    """Some of several objects failed; the message counts them."""

    code = "partly_done"
    exit_status = 8


class InterruptedByUser(NebulaError):
    """Ctrl-C, or a job that was cancelled."""

    code = "interrupted"
    exit_status = 130


class CapacityError(NebulaError):
    """No space, no free address, no room on a host."""

    code = "capacity"


class ImageError(NebulaError):
    """An image that is not what it says, that refers to other files, or that cannot be read."""

    code = "image"


class DamagedError(NebulaError):
    """A backup is not what was stored."""

    code = "damaged"


class CommandError(NebulaError):
    """A command on a host ended with an error.

    `argv` is the command as given, `status` its exit status (negative for a signal), `stderr` its last words (at most
    2,000 characters are kept in the message).
    """

    code = "command"

    def __init__(self, host: str, argv: Sequence[str], status: int, stderr: str, *, hint: str = "") -> None:
        words = stderr.strip()[-2000:] or f"exit status {status}, nothing on stderr"
        super().__init__(f"{argv[0]} failed on host {host}", cause=words, hint=hint)
        self.host, self.argv, self.status, self.stderr = host, list(argv), status, stderr


def all_errors() -> dict[str, type[NebulaError]]:
    """Code -> class, over the whole tree; how a client turns an answer back into the error it was."""
    found: dict[str, type[NebulaError]] = {}
    waiting: list[type[NebulaError]] = [NebulaError]
    while waiting:
        cls = waiting.pop()
        found[cls.code] = cls
        waiting.extend(cls.__subclasses__())
    return found


def from_dict(answer: dict[str, str]) -> NebulaError:
    """The error that `as_dict` described; an unknown code becomes a plain NebulaError."""
    cls = all_errors().get(answer.get("code", ""), NebulaError)
    error = cls.__new__(cls)
    NebulaError.__init__(error, answer.get("message", ""), cause=answer.get("cause", ""), hint=answer.get("hint", ""))
    return error
