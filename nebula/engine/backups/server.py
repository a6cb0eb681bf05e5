"""The server of a datastore of backups that is no host: its account, the keys by which it is known, and the datastore's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nebula.errors import UsageError
from nebula.model.server import Server, server_of
from nebula.names import check_name

OWN = ("server", "host_keys", "public_key", "private_key")
"""The settings that are about it. The keys by which it is known are lines; `private_key` is hidden by its name."""
_OPENNEBULA = ("RESTIC_SFTP_SERVER", "RESTIC_SFTP_USER", "RESTIC_PASSWORD")


def named_ours(document: Mapping[str, Any]) -> dict[str, Any]:
    """A datastore's document or spec in which OpenNebula's names of the driver's settings have become ours."""
    given = document.get("settings")
    if not isinstance(given, Mapping):
        return dict(document)
    theirs = {str(key).upper(): str(value) for key, value in given.items() if str(key).upper() in _OPENNEBULA}
    if not theirs:
        return dict(document)
    settings = {key: value for key, value in given.items() if str(key).upper() not in _OPENNEBULA}
    if theirs.get("RESTIC_PASSWORD"):
        settings["password"] = theirs["RESTIC_PASSWORD"]
    found: dict[str, Any] = {**document, "settings": settings}
    if theirs.get("RESTIC_SFTP_SERVER"):
        user = theirs.get("RESTIC_SFTP_USER", "")
        found["server"] = f"{user}@{theirs['RESTIC_SFTP_SERVER']}" if user else theirs["RESTIC_SFTP_SERVER"]
    return found


def pinned(lines: Sequence[Any]) -> str:
    """The host keys as a setting: "TYPE BASE64" a line. UsageError for what is no key."""
    from nebula.transport.hostkeys import host_key

    return "\n".join(host_key(str(line)).line for line in lines)


def new_settings(name: str, server: Server, host_keys: Sequence[Any]) -> dict[str, str]:
    """The settings of a new datastore on the server, with a key pair of its own."""
    if not host_keys:
        raise UsageError(
            f"{server.address} needs its host key pinned",
            hint=f"nebula host scan {server.address} --port {server.port}, compare, then --fingerprint SHA256:…",
        )
    from nebula.transport.keys import new_key_pair

    pair = new_key_pair(f"nebula:{check_name('datastore', name).replace(' ', '-')}")
    return {
        "server": str(server), "host_keys": pinned(host_keys), "public_key": pair.public_line, "private_key": pair.private,
    }  # fmt: skip


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What people see of it: whom it is reached as, which keys it has, the line for that account's authorized_keys."""
    from nebula.transport.hostkeys import host_keys

    keys = host_keys(str(settings.get("host_keys", "")))
    return {
        "account": settings["server"],
        "host_keys": [f"{key.type} {key.fingerprint}" for key in keys],
        "public_key": settings["public_key"],
    }


def account(settings: Mapping[str, Any], name: str) -> Server:
    """The account that a datastore's settings name; UsageError where it is not on a server."""
    if not settings.get("server"):
        raise UsageError(f"datastore {name} is on no server", hint=f"nebula datastore show {name}")
    return server_of(str(settings["server"]))
