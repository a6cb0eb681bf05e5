"""How to reach a lab's hosts: its key, the hosts' keys, an ssh configuration."""

from __future__ import annotations

from pathlib import Path

from .run import run
from .spec import Lab


def make_key(root: Path) -> None:
    """The administrator's key of this lab."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(root / "key")])


def write(lab: Lab) -> None:
    """Write the lab's known hosts and ssh configuration."""
    (lab.root / "known_hosts").write_text("".join(_known(lab)))
    (lab.root / "ssh_config").write_text(ssh_config(lab))


def ssh_config(lab: Lab) -> str:
    """An ssh configuration with an entry per host: `ssh -F FILE h1`."""
    common = (
        f"  User root\n  IdentityFile {lab.root / 'key'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {lab.root / 'known_hosts'}\n  StrictHostKeyChecking yes\n"
    )
    return "".join(f"Host {host.name}\n  HostName {lab.address(host)}\n{common}" for host in lab.hosts)


def host_key(lab: Lab, name: str) -> str:
    """The public host key of a host, as type and base64."""
    path = lab.directory(lab.host(name)) / "etc" / "ssh" / "ssh_host_ed25519_key.pub"
    return " ".join(path.read_text().split()[:2])


def _known(lab: Lab) -> list[str]:
    return [f"{lab.address(host)} {host_key(lab, host.name)}\n" for host in lab.hosts]
