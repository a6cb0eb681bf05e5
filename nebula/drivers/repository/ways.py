"""How restic on a host comes to a repository: by the file system, through another host, or to a server that is no host."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.layout import checked_path
from nebula.drivers.datastore.peers import login
from nebula.model.server import Server, server_of
from nebula.transport.hostkeys import fingerprints, host_keys
from nebula.transport.peers import known_lines, peer_ssh, ssh_by

_SFTP = "PATH=/usr/lib/openssh:/usr/libexec/openssh:/usr/lib/ssh:/usr/bin:/bin sftp-server"
"""Where distributions have it; sshd's own name for it need not be set up."""


class Plain(msgspec.Struct, frozen=True):
    """By the host's own file system, or by a command that needs nothing that is not there. `location` is what restic calls
    the repository.
    """

    location: str
    command: str = ""

    def ssh(self, base: str) -> str:
        """The command that restic is to run, "" for none. `base`: the beginning of the names of `files`."""
        del base
        return self.command

    def files(self) -> dict[str, str]:
        """What the command needs while it runs: the end of a file's name, and what is in it."""
        return {}


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """To a server with a key of the repository's own. `host_keys`: lines of the keys that it may show."""

    datastore: int
    location: str
    path: str
    server: Server
    host_keys: str
    private_key: str
    public_key: str

    @property
    def pinned(self) -> str:
        """The fingerprints that it may show."""
        return fingerprints(host_keys(self.host_keys))

    def ssh(self, base: str) -> str:
        """See Plain: the server's subsystem, for a shell there may be none."""
        options = ("IdentityAgent=none", "PreferredAuthentications=publickey")
        words = ssh_by(f"{base}.key", f"{base}.known_hosts", self.server.port, *options)
        return " ".join([*words, "-E", f"{base}.log", "-T", "-s", f"{self.server.user}@{self.server.address}", "sftp"])

    def files(self) -> dict[str, str]:
        """See Plain."""
        return {"key": self.private_key, "known_hosts": known_lines(self.server.address, self.host_keys)}


Way = Plain | Served


def through(at: HostHandle, host: HostHandle, path: str) -> Plain:
    """From a host to another one that has the directory."""
    who = login(at)
    user, _, address = who.partition("@")
    served = _SFTP if at.user == "root" else f"sudo -n env {_SFTP}"
    words = [*peer_ssh(checked_path(host.root), at.port), "-T", f"{user}@{address.strip('[]')}", f"'exec env {served}'"]
    return Plain(f"sftp://{who}:{at.port:d}/{path}", " ".join(words))


def served(datastore: int, settings: Mapping[str, str], path: str) -> Served:
    """To the server of a datastore's settings."""
    server = server_of(settings["server"])
    return Served(
        datastore=datastore,
        path=path,
        location=f"sftp://{server.user}@{server.place}:{server.port:d}/{path}",
        server=server,
        host_keys=settings.get("host_keys", ""),
        private_key=settings.get("private_key", ""),
        public_key=settings.get("public_key", ""),
    )
