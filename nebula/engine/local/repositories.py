"""Datastores of backups: what they are made with, who may use them, and which host looks after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.drivers.registry import REPOSITORIES
from nebula.engine.backups.content import keep_in
from nebula.engine.local.base import resolve
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, UsageError

_SETTINGS = ("password", "host", "keep_last", "keep_daily", "keep_weekly", "keep_monthly")


def repository_settings(tx: Transaction, spec: Mapping[str, Any], driver: str, served: Mapping[str, str]) -> dict[str, str]:
    """The settings of a new one: host by its id, so that it may get another name; `served`: those of its server, if it is on
    one that is no host. UsageError for what makes no sense.
    """
    if driver not in REPOSITORIES:
        raise UsageError(
            f"no driver of backups is called {driver[:40]!r}", hint=f"one of: {', '.join(sorted(REPOSITORIES))}"
        )  # fmt: skip
    given = {**(spec.get("settings") or {}), **{name: spec[name] for name in _SETTINGS if spec.get(name)}}
    unknown = set(given) - set(_SETTINGS)
    if unknown:
        raise UsageError(f"a datastore of backups has no setting {min(unknown)[:40]!r}", hint=", ".join(_SETTINGS))
    found = {name: str(value) for name, value in given.items() if value not in ("", None)}
    keep_in(found)
    if driver == "restic" and len(found.get("password", "")) < 8:
        raise UsageError(
            "a restic repository needs a password of 8 characters or more",
            cause="without it nobody reads the backups, not even this engine: keep it elsewhere, too",
            hint="--password-file FILE",
        )
    if found.get("host") and served:
        raise UsageError(
            "a datastore of backups is on a host or on a server, not on both",
            hint="--host for one of Nebula's hosts, else --server",
        )
    if found.get("host"):
        found["host"] = str(resolve(tx, HostRow, found["host"]).id)
    return {**found, **served}


def require_ready(datastore: DatastoreRow, host: HostRow) -> None:
    """ConflictError where the host cannot reach the datastore."""
    why = ""
    if datastore.state:
        why = "it is disabled"
    elif (datastore.driver == "sim") != (host.driver == "sim"):
        why = f"its driver is {datastore.driver}, and host {host.name}'s is {host.driver}"
    elif datastore.cluster_id not in {-1, host.cluster_id}:
        why = f"it is for another cluster than host {host.name}"
    if why:
        raise ConflictError(f"datastore {datastore.name} cannot be used", cause=why, hint="nebula datastore list type=backup")


def care_host(queries: Queries, datastore: DatastoreRow) -> HostRow:
    """The host that looks after the repository: the one that it is on, or any that can be used."""
    own = str(datastore.body.get("settings", {}).get("host", ""))
    if own:
        return queries.get(HostRow, int(own))
    where = f'"state" IN (2,4) AND {simulated(datastore.driver)} AND (? IN (-1, "cluster_id")) ORDER BY "id"'
    found = queries.first(HostRow, where, (datastore.cluster_id,))
    if found is None:
        raise ConflictError(f"no host is there that reaches datastore {datastore.name}", hint="nebula host list")
    return found


def simulated(driver: str) -> str:
    """The condition for what goes with that driver: all simulated, or nothing."""
    return "\"driver\"='sim'" if driver == "sim" else "\"driver\"<>'sim'"
