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
        way = "the engine's key" if self.password is None else "this password"
        return DeniedError(
            f"host {self.name} ({self.address} port {self.port}) does not let {self.user} in by {way}",
            cause=cause,
            hint=self._other_way(),
        )

    def _other_way(self) -> str:
        """What to type where we were refused. A password is asked for before there is a host, so it may just be typed again."""
        if self.password is None:
            return f"nebula host update {self.name} --ask-password, or put `nebula host key` into its authorized_keys"
        return f"type it again, or on the host, as root: sshd -T | grep -i passwordauthentication; passwd -S {self.user}"

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
