"""A bundle for a bug report: what there is and what happened, without secrets."""

from __future__ import annotations

import io
import os
import platform
import sys
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from nebula.engine.api.values import Status
from nebula.engine.secrets import hide, hide_template, shorten
from nebula.engine.services import Services
from nebula.engine.store.backup import problems
from nebula.engine.store.database import from_database
from nebula.engine.store.mapping import mapping
from nebula.engine.store.rows import ALL
from nebula.errors import CapacityError, ConflictError, NebulaError

_LIMIT = {"event": 5000, "job": 2000, "job_log": 5000, "request": 0, "lease": 5000}
"""Newest rows of these tables; all of the others."""


def bundle(services: Services, status: Callable[[], Status], target: Path) -> Path:
    """Write a .tar.gz, 0600; ConflictError if the file exists, CapacityError if it does not fit on its disk. What cannot be
    read of a damaged database has why in its place.
    """
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise ConflictError(f"{target} exists already", hint="choose a file that does not exist yet") from None
    except OSError as error:
        raise NebulaError(f"{target} cannot be written", cause=str(error), hint="choose another place") from error
    try:
        with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            _fill(archive, services, status)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise CapacityError(f"{target} could not be written", cause=str(error), hint=f"df -h {target.parent}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _fill(archive: tarfile.TarFile, services: Services, status: Callable[[], Status]) -> None:
    now = services.clock.now()
    _add(archive, "status.json", _readable(lambda: msgspec.to_builtins(status())), now)
    _add(archive, "machine.json", {"python": sys.version, "system": platform.platform()}, now)
    _add(archive, "check.json", problems(services.store.location), now)
    for kind in ALL:
        _add(archive, f"{kind._table}.json", _readable(partial(_rows, services, kind)), now)


def _readable(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except NebulaError as error:
        return {"error": f"{error.message}: {error.cause}"}
    except Exception as error:
        if not from_database(error) and not isinstance(error, (msgspec.MsgspecError, UnicodeError)):
            raise
        return {"error": str(error)}


def _rows(services: Services, kind: Any) -> list[Any]:
    limit = _LIMIT.get(kind._table, -1)
    if limit == 0:
        return []
    tail = f" LIMIT {limit}" if limit > 0 else ""
    names = mapping(kind).columns
    rows = services.store.read().select(kind, f'1=1 ORDER BY "id" DESC{tail}')
    return [{name: hide(shorten(_known(getattr(row, name))), name) for name in names} for row in reversed(rows)]


def _known(value: Any) -> Any:
    """A body with a template in it, of a VM or stored, without what it asks for as a password."""
    if isinstance(value, dict) and isinstance(value.get("template"), dict):
        return {**value, "template": hide_template(value["template"])}
    return value


def _add(archive: tarfile.TarFile, name: str, value: Any, now: float) -> None:
    data = msgspec.json.format(msgspec.json.encode(value), indent=1)
    info = tarfile.TarInfo(f"nebula-support/{name}")
    info.size, info.mode, info.mtime = len(data), 0o600, int(now)
    archive.addfile(info, io.BytesIO(data))
