"""Where files lie: which paths all hosts share, and which datastore a path belongs to."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

SHARED = ""
"""The scope of files that all hosts see."""
_MANAGED = re.compile(r"/(datastores|shared)/(\d+)/")


class Place(NamedTuple):
    """A scope (a host's name, or SHARED) and a datastore's id; None: the path is none of ours."""

    scope: str
    datastore: int | None


@lru_cache(maxsize=4096)
def place(host: str, path: str) -> Place:
    """Where a path of a host lies."""
    found = _MANAGED.search(path)
    if found is None:
        return Place(host, None)
    return Place(SHARED if found[1] == "shared" else host, int(found[2]))


def base(root: str, datastore_id: int, *, shared: bool) -> str:
    """A datastore's directory."""
    return f"{root}/{'shared' if shared else 'datastores'}/{datastore_id}"
