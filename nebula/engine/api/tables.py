"""What is listed and what comes back: plain tuples, so that the hottest command imports next to nothing."""

from __future__ import annotations

from typing import Any, NamedTuple


class Query(NamedTuple):
    """What to list. `filters`: (column, operator, value), operators = != < > <= >= ~ (regular expression) and
    = with * as a pattern; all must hold. `sort`: columns, a leading "-" for falling. `limit` 0: all. `done`: VMs in DONE
    too.
    """

    columns: tuple[str, ...] = ()
    filters: tuple[tuple[str, str, str], ...] = ()
    sort: tuple[str, ...] = ()
    limit: int = 0
    offset: int = 0
    done: bool = False


class Listing(NamedTuple):
    """Rows of a list; one value a column asked for. `as_of` is when the oldest host data in it was measured (0: n/a)."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    as_of: float = 0.0
