"""The keys by which hosts are known: shown to a person once, pinned, and compared from then on."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from nebula import timeouts
from nebula.errors import UnreachableError, UsageError
from nebula.transport.loop import TunnelLoop

if TYPE_CHECKING:
    import asyncssh

HOST_KEY_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""What we accept from a host, best first."""
_SCANNED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")


class HostKey(msgspec.Struct, frozen=True):
    """A public key of a host: its type, its line as OpenSSH writes it ("TYPE BASE64") and "SHA256:…"."""

    type: str
    line: str
    fingerprint: str

    def matches(self, fingerprint: str) -> bool:
        """Whether a fingerprint, as a person may have copied it, is this key's."""
        return _bare(fingerprint) == _bare(self.fingerprint)


def host_key(line: str) -> HostKey:
    """The key in a line "TYPE BASE64 [COMMENT]"; UsageError if there is none."""
    words = line.split()
    try:
        kind, blob = words[0], base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError) as error:
        raise UsageError(f"{line[:80]!r} is no public key", cause=str(error), hint="ssh-keyscan ADDRESS") from error
    if kind.encode() not in blob[:64]:
        raise UsageError(f"{line[:80]!r} is no public key", cause=f"its data is not of the type {kind}")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return HostKey(kind, f"{kind} {words[1]}", f"SHA256:{digest}")


def host_keys(lines: str) -> list[HostKey]:
    """The keys in a text of one line a key; empty lines and comments are left out."""
    return [host_key(line) for line in lines.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def scan(address: str, port: int = 22, *, loop: TunnelLoop | None = None) -> list[HostKey]:
    """The keys that the machine shows now, best type first; pins nothing and trusts nothing.

    Raises UnreachableError if no ssh server answers there.
    """
    own = loop or TunnelLoop()
    own.start()
    try:
        return own.call(_scan(address, port))
    finally:
        if loop is None:
            own.stop()


async def _scan(address: str, port: int) -> list[HostKey]:
    """A server that lacks a type may say so or just hang up: only if it shows none at all has the scan failed."""
    import asyncio

    answers = await asyncio.gather(*(_ask(address, port, algorithm) for algorithm in _SCANNED))
    keys = [answer for answer in answers if isinstance(answer, HostKey)]
    if not keys:
        raise UnreachableError(
            f"{address} port {port} shows no host key",
            cause="; ".join(dict.fromkeys(str(answer) for answer in answers)),
            hint=f"nc -vz {address} {port}",
        )
    return keys


async def _ask(address: str, port: int, algorithm: str) -> HostKey | str:
    """The server's key of this type, or why there is none."""
    import asyncio

    import asyncssh

    options = asyncssh.SSHClientConnectionOptions(config=None, connect_timeout=timeouts.SSH_CONNECT)
    try:
        async with asyncio.timeout(timeouts.SSH_CONNECT):
            key = await asyncssh.get_server_host_key(address, port, server_host_key_algs=[algorithm], options=options)
    except (OSError, asyncssh.Error) as error:
        return in_words(error)
    return host_key(public_line(key)) if key is not None else f"no key of type {algorithm}"


def in_words(error: Exception) -> str:
    """Why a connection failed; the system's own words, where asyncio has only its number."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or f"no answer within {timeouts.SSH_CONNECT:g} s"


def public_line(key: asyncssh.SSHKey) -> str:
    """The key's public half as one OpenSSH line."""
    return key.export_public_key("openssh").decode().strip()


def fingerprints(keys: Iterable[HostKey]) -> str:
    """Their fingerprints, for messages."""
    return ", ".join(f"{key.fingerprint} ({key.type})" for key in keys) or "none"


def _bare(fingerprint: str) -> str:
    return fingerprint.strip().removeprefix("SHA256:").rstrip("=")
