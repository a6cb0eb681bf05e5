"""Who is at the other end of a Unix socket: what the kernel says, not what the peer says."""

from __future__ import annotations

import _socket
import pwd
import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")


class PeerCredentials(NamedTuple):
    """The process that connected."""

    pid: int
    uid: int
    gid: int


def credentials(connection: _socket.socket) -> PeerCredentials:
    """From SO_PEERCRED: as they were when the peer connected."""
    return PeerCredentials(
        *_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    )


def user_name(peer: PeerCredentials) -> str:
    """The name of the peer's user; "#1234" for a user id without a name."""
    try:
        return pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        return f"#{peer.uid}"
