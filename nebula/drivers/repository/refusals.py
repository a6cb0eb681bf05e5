"""What restic and its ssh mean by their last words, and what to do about it."""

from __future__ import annotations

import re

from nebula.drivers.repository.ways import Served, Way
from nebula.errors import (
    CapacityError,
    CommandError,
    ConflictError,
    DeniedError,
    HostKeyError,
    NebulaError,
    UnreachableError,
)

_OTHER_KEY = ("Host key verification failed", "host key is known for")
_SHOWN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_NOT_LET_IN = ("Permission denied (", "Too many authentication failures", "No supported authentication methods")
_GONE = (
    *("Connection refused", "Connection timed out", "No route to host", "Network is unreachable", "not responding"),
    *("Could not resolve hostname", "Connection closed", "Connection reset", "connection lost", ": EOF"),
)
_DAMAGED = re.compile(
    r"ciphertext verification failed|invalid data returned|not found in (repository|index)|(repository|key \w+) is damaged"
    r"|hash mismatch|hash does not match|contains damaged|pack file .*truncated|unexpected end of JSON"
    r"|(ReadFull|StreamPack)\b.*(unexpected EOF|no such file or directory|file does not exist)"
)


def damage(words: str) -> str:
    """The line in which restic says that what it keeps is not what was stored, or is gone; "" where it says nothing of the
    kind: all else that may go wrong on the way out of a repository says nothing of what is in it.
    """
    return next((line.strip() for line in words.splitlines() if _DAMAGED.search(line)), "")


def told(host: str, way: Way, error: CommandError) -> NebulaError:
    """The error that it is; `host` is where restic ran."""
    words = error.stderr.strip()
    last = _said(words) or f"status {error.status}"
    if "already locked" in words:
        return ConflictError(
            f"the repository {way.location} is locked", cause=words[-500:], hint="restic unlock, if nobody uses it"
        )
    if "No space left" in words:
        return CapacityError(f"host {host} has no room for a backup", cause=last, hint=f"ssh {host} df -h")
    if "wrong password" in words:
        return DeniedError(
            f"the repository {way.location} does not open with the datastore's password", cause=last,
            hint="it was made with another one: --password-file of that one, or another --path",
        )  # fmt: skip
    found = _of_server(host, way, words) if isinstance(way, Served) else _of_host(host, way, words)
    return found or CommandError(host, ["restic"], error.status, words[-2000:])


def _said(words: str) -> str:
    """What restic itself said last, or whoever did."""
    lines = words.splitlines()
    return next((line for line in reversed(lines) if line.startswith("Fatal:")), lines[-1] if lines else "")


def _of_host(host: str, way: Way, words: str) -> NebulaError | None:
    """On the way to a directory of a host, or in it."""
    if any(sign in words for sign in (*_OTHER_KEY, *_NOT_LET_IN, "Permission denied")):
        return DeniedError(
            f"host {host} may not use the repository {way.location}", cause=_said(words),
            hint=f"nebula host check {host}",
        )  # fmt: skip
    if way.ssh("") and any(sign in words for sign in _GONE):
        return UnreachableError(f"host {host} does not reach the repository {way.location}", cause=words[-500:])
    return None


def _of_server(host: str, way: Served, words: str) -> NebulaError | None:
    """On the way to a server that is no host, or in its directory."""
    server, again = way.server, f"nebula datastore update {way.datastore}"
    if any(sign in words for sign in _OTHER_KEY):
        shown = _SHOWN.search(words)
        scan = f"nebula host scan {server.address} --port {server.port}"
        way_out = f"{again} --fingerprint {shown[0] if shown else f'SHA256:… (see {scan})'}"
        return HostKeyError(
            f"{server} does not show host {host} the host key that was pinned",
            cause=f"pinned {way.pinned}{f', shown {shown[0]}' if shown else ''}",
            hint=f"if the server was set up anew: {way_out}",
        )
    if any(sign in words for sign in _NOT_LET_IN):
        return DeniedError(
            f"{server} does not let host {host} in by the datastore's key",
            cause=next(line for line in words.splitlines() if any(sign in line for sign in _NOT_LET_IN)),
            hint=f"put this line into the authorized_keys of {server.user} there: {way.public_key}",
        )
    if "subsystem request failed" in words:
        return DeniedError(
            f"{server} lets host {host} in, but has no SFTP", cause="subsystem request failed",
            hint="switch SFTP on there; OpenSSH's sshd_config: Subsystem sftp internal-sftp",
        )  # fmt: skip
    if "permission denied" in words.lower() or "create repository at" in words:
        return DeniedError(
            f"{server.user} may not write to {way.path} on {server.address}", cause=_said(words),
            hint=f"on the server: chown {server.user} the directory; in a chroot its path begins there",
        )  # fmt: skip
    if any(sign in words for sign in _GONE):
        lines = [line for line in words.splitlines() if any(sign in line for sign in _GONE)]
        cause = next((line for line in lines if not line.startswith("Fatal:")), lines[0])  # ssh knows why, restic does not
        return UnreachableError(
            f"host {host} does not reach {server}",
            cause=cause,
            hint=f"on host {host}: nc -vz {server.address} {server.port}",
        )
    return None
