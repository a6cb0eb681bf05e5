"""What became of a command, and what it means in our tree of errors."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nebula.errors import CommandError, DeniedError
from nebula.transport.base import Completed

OUTPUT_LIMIT = 64 << 20
"""Bytes that a command may write to stdout, or to stderr, before it is ended."""
SUDO = ("sudo", "-n", "--")
"""The words before a command that needs root on a host where we are not."""


class Ended(msgspec.Struct, frozen=True):
    """A command's end: exit status (negative: the signal that ended it) and output."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        """Stderr as text."""
        return self.stderr.decode("utf-8", "replace")


def bounded(name: str, title: str, size: int) -> int:
    """`size`, or CommandError if it is more than a command may write."""
    if size > OUTPUT_LIMIT:
        raise CommandError(name, [title], -9, f"it wrote more than {OUTPUT_LIMIT >> 20} MiB and was ended")
    return size


def settle(name: str, argv: Sequence[str], ended: Ended, check: bool) -> Completed:
    """The answer of `Transport.run`; with `check`, CommandError for a status that is not 0."""
    if check and ended.status != 0:
        raise CommandError(name, argv, ended.status, ended.words)
    return Completed(tuple(argv), ended.status, ended.stdout, ended.stderr)


def sudo_rule(user: str) -> str:
    """The one line that lets us be root on a host where we log in as `user`."""
    return f"{user} ALL=(root) NOPASSWD: ALL"


def sudo_refused(name: str, user: str, words: str) -> DeniedError:
    """Sudo does not let us be root; the hint is the command that makes it."""
    return DeniedError(
        f"{user} may not become root on host {name}",
        cause=words.strip() or "sudo -n refused",
        hint=f"on the host, as root: echo '{sudo_rule(user)}' > /etc/sudoers.d/nebula && chmod 0440 /etc/sudoers.d/nebula",
    )
