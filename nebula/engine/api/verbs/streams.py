"""What stays open: consoles and tunnels to them."""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """A console: bytes in, bytes out."""

    def read(self, timeout: float) -> bytes:
        """The next bytes; b"" when `timeout` seconds passed without any; EOFError when it ended."""
        ...

    def write(self, data: bytes) -> None:
        """Type."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Tunnel(Protocol):
    """A way to a guest's graphical console, open until closed; `address` is "127.0.0.1:PORT"."""

    @property
    def address(self) -> str:
        """Where it listens on this machine."""
        ...

    @property
    def type(self) -> str:
        """Vnc or spice."""
        ...

    @property
    def password(self) -> str:
        """What the console asks for; empty: nothing."""
        ...

    def wait(self, timeout: float) -> bool:
        """Whether it is still open, after at most `timeout` seconds; False at once when it closes by itself."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
