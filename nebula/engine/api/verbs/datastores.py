"""The verbs of datastores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Findings


class Datastores(Protocol):
    """Datastores."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name, type (image|system|file|backup), driver (shared|ssh; of backups restic), path, cluster, settings (of
        the driver). Of backups: host (the one that has the path; none: each sees it there), password, keep_last,
        keep_daily, keep_weekly, keep_monthly; or server ([USER@]NAME[:PORT], no host of ours) with host_keys (list of lines)
        or fingerprint (of a key that it shows now).
        """
        ...

    def put_key(self, ref: str, password: str) -> None:
        """Bring the datastore's public key to its server by the account's password."""
        ...

    def check(self, ref: str) -> Findings: ...
    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: attributes (a mapping), for expressions to name; an empty value takes one away. Of backups on a server:
        server, and host_keys or fingerprint, to pin what it shows now.
        """
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...
