"""Who may log in on a host: root, and `nebula`, who becomes root through sudo and may talk to libvirtd's socket."""

from __future__ import annotations

import os
from pathlib import Path

USER = "nebula"
USER_ID = 990
RULE = f"{USER} ALL=(root) NOPASSWD: ALL\n"


def build(base: Path, public_key: str) -> None:
    """Add the account to the host's /etc and authorise the lab's key for both."""
    etc = base / "etc"
    _append(etc / "passwd", f"{USER}:x:{USER_ID}:{USER_ID}:Nebula:/home/{USER}:/bin/bash")
    _append(etc / "shadow", f"{USER}:*:19000:0:99999:7:::")
    _append(etc / "group", f"{USER}:x:{USER_ID}:")
    _join(etc / "group", "libvirt")
    rule = etc / "sudoers.d" / USER
    rule.parent.mkdir(exist_ok=True)
    rule.write_text(RULE)
    rule.chmod(0o440)
    _authorise(base / "root", public_key, owner=0)
    home = base / "home" / USER
    home.mkdir()
    os.chown(home, USER_ID, USER_ID)
    _authorise(home, public_key, owner=USER_ID)


def _append(path: Path, line: str) -> None:
    kept = [known for known in path.read_text().splitlines() if not known.startswith(f"{USER}:")]
    path.write_text("\n".join([*kept, line]) + "\n")


def _join(groups: Path, name: str) -> None:
    lines = groups.read_text().splitlines()
    joined = [_with_member(line) if line.startswith(f"{name}:") else line for line in lines]
    groups.write_text("\n".join(joined) + "\n")


def _with_member(line: str) -> str:
    return f"{line}{'' if line.endswith(':') else ','}{USER}"


def _authorise(home: Path, public_key: str, *, owner: int) -> None:
    directory = home / ".ssh"
    directory.mkdir(mode=0o700)
    keys = directory / "authorized_keys"
    keys.write_text(public_key)
    keys.chmod(0o600)
    for path in (directory, keys):
        os.chown(path, owner, owner)
