"""How we log in to a host, and what its refusals mean in our tree of errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nebula.errors import DeniedError, HostKeyError, UnreachableError
from nebula.transport.hostkeys import HostKey, fingerprints


class Login:
    """An account on a host: by key, or once by password. `pinned` are the host keys that we accept there."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        port: int,
        user: str,
        pinned: Sequence[HostKey],
        key_path: Path | None = None,
        password: str | None = None,
    ) -> None:
        self.name, self.address, self.port, self.user = name, address, port, user
        self.pinned, self.key_path, self.password = tuple(pinned), key_path, password

    def unreachable(self, cause: str) -> UnreachableError:
        """Nobody answers, or not any more."""
        return UnreachableError(
            f"host {self.name} ({self.address} port {self.port}) does not answer over ssh",
            cause=cause,
            hint=f"ssh -p {self.port} {self.user}@{self.address} true",
        )

    def refused(self, cause: str) -> DeniedError:
        """The host does not take our key or password."""
        return DeniedError(
            f"host {self.name} ({self.address}) refused the login of {self.user}",
            cause=cause,
            hint=f"nebula host add {self.address} --user {self.user} --ask-password",
        )

    def wrong_key(self, shown: HostKey | None) -> HostKeyError:
        """The host shows another key than the pinned one."""
        seen = shown.fingerprint if shown else "FINGERPRINT"
        pinned = f"pinned {fingerprints(self.pinned)}" if self.pinned else "no key of it was pinned"
        words = f"{pinned}, shown {shown.fingerprint} ({shown.type})" if shown else pinned
        return HostKeyError(
            f"host {self.name} ({self.address} port {self.port}) does not show the pinned host key",
            cause=words,
            hint=f"if the host was set up anew: nebula host update {self.name} --fingerprint {seen}",
        )
