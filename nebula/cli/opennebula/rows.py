"""How one thing of OpenNebula's is declared."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["done", "refused", "none"]


class Row(NamedTuple):
    """`done`: by one of `ways`, which are our commands without `nebula`; or, without any, as `note` says. `refused`: we do not
    have it, and `note` says why. `none`: it means nothing here, and `note` says why.
    """

    name: str
    status: Status
    ways: tuple[str, ...] = ()
    note: str = ""


def done(ways: str, *names: str, note: str = "") -> tuple[Row, ...]:
    """`ways`: commands, separated by ` | `."""
    return tuple(Row(name, "done", tuple(ways.split(" | ")) if ways else (), note) for name in names)


def refused(note: str, *names: str) -> tuple[Row, ...]:
    """What we do not have."""
    return tuple(Row(name, "refused", note=note) for name in names)


def none(note: str, *names: str) -> tuple[Row, ...]:
    """What means nothing here."""
    return tuple(Row(name, "none", note=note) for name in names)
