"""What a form begins with: defaults that work where they stand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

Names = Callable[[str], Awaitable[list[str]]]
"""Live names of a noun."""
_KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")


async def defaults(command: str, names: Names, home: Path) -> dict[str, str]:
    """Field -> value, for the command of that path ("vm create"). `home`: whose public keys may log in."""
    if command == "vm create":
        return await _vm(names, home)
    if command == "network create" and not await names("network"):
        return {"nat": "yes", "range": "10.88.0.10+100", "gateway": "10.88.0.1", "dns": "10.88.0.1"}
    if command == "datastore create":
        return {"driver": "ssh", "path": "/var/lib/nebula"}
    return {}


async def _vm(names: Names, home: Path) -> dict[str, str]:
    found = {"memory": "1G", "cpus": "1"}
    for field in ("image", "network"):
        there = await names(field)
        if there:
            found[field] = there[0]
    key = next((home / ".ssh" / name for name in _KEYS if (home / ".ssh" / name).exists()), None)
    return {**found, "ssh_key": str(key)} if key else found
