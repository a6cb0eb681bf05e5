"""nftables: tables of our own, loaded whole and dropped whole. Nobody else's table is ever changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.errors import CommandError
from nebula.transport.base import Completed

_NO_SUCH_PROGRAM = 127


class Chain(msgspec.Struct, frozen=True):
    """A base chain."""

    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = ""


def load(host: HostHandle, script: str) -> None:
    """Load a script in one transaction."""
    host.transport.run(["nft", "-f", "-"], stdin=f"{script}\n".encode("ascii"), root=True)


def drop(host: HostHandle, table: str) -> None:
    """Take the table (family ip) away. Not there: nothing."""
    load(host, f"table ip {table}\ndelete table ip {table}")


def tables(host: HostHandle) -> list[str]:
    """Names of the tables of family ip."""
    found = _list(host, ["tables", "ip"], "table")
    return [str(entry["name"]) for entry in found]


def chains(host: HostHandle, family: str, table: str) -> list[str]:
    """Names of the table's chains; none where it, or nftables, is not there."""
    # Through env, because a missing program is then an exit status wherever the command runs.
    done = host.transport.run(["env", "nft", "-j", "list", "chains", family], root=True, check=False)
    if done.status == _NO_SUCH_PROGRAM:
        return []
    return [str(entry["name"]) for entry in _entries(host, done, "chain") if entry["table"] == table]


def elements(host: HostHandle, table: str, name: str) -> list[str]:
    """The strings in a set."""
    return [str(element) for entry in _list(host, ["set", "ip", table, name], "set") for element in entry.get("elem", [])]


def dropping_forward_chains(host: HostHandle) -> list[Chain]:
    """Chains, whoever's, that drop forwarded packets unless a rule lets them through."""
    chains = [typed.convert(entry, Chain) for entry in _list(host, ["chains"], "chain")]
    return [chain for chain in chains if chain.hook == "forward" and chain.policy == "drop" and chain.family in {"ip", "inet"}]


def _list(host: HostHandle, what: list[str], kind: str) -> Iterator[dict[str, Any]]:
    return _entries(host, host.transport.run(["nft", "-j", "list", *what], root=True), kind)


def _entries(host: HostHandle, done: Completed, kind: str) -> Iterator[dict[str, Any]]:
    try:
        listed = typed.decode(done.stdout or b"{}", dict[str, list[dict[str, Any]]])
    except msgspec.MsgspecError as error:
        raise CommandError(
            host.name, done.argv, 0, f"not understood: {error}", hint="nft --version   # 0.9.8 or later"
        ) from error
    return (entry[kind] for entry in listed.get("nftables", []) if kind in entry)
