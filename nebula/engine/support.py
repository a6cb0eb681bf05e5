"""A bundle for a bug report: what there is and what happened, without secrets."""

from __future__ import annotations

import io
import os
import platform
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from nebula.engine.api.values import Status
from nebula.engine.local.vm_views import hide
from nebula.engine.services import Services
from nebula.engine.store.mapping import mapping
from nebula.engine.store.rows import ALL
from nebula.errors import ConflictError, NebulaError

_LIMIT = {"event": 5000, "job": 2000, "job_log": 5000, "request": 0, "lease": 5000}
"""Newest rows of these tables; all of the others."""


_LONG = frozenset({"USER_DATA", "USERDATA", "START_SCRIPT", "START_SCRIPT_BASE64", "SSH_PUBLIC_KEY"})
_LOGIN = re.compile(r"//[^/@\s]+@")


def bundle(services: Services, status: Status, target: Path) -> Path:
    """Write a .tar.gz, 0600; ConflictError if the file exists."""
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise ConflictError(f"{target} exists already", hint="choose a file that does not exist yet") from None
    except OSError as error:
        raise NebulaError(f"{target} cannot be written", cause=str(error), hint="choose another place") from error
    now = services.clock.now()
    with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
        _add(archive, "status.json", msgspec.to_builtins(status), now)
        _add(archive, "machine.json", {"python": sys.version, "system": platform.platform()}, now)
        for kind in ALL:
            _add(archive, f"{kind._table}.json", _rows(services, kind), now)
    return target


def _rows(services: Services, kind: Any) -> list[Any]:
    limit = _LIMIT.get(kind._table, -1)
    if limit == 0:
        return []
    tail = f" LIMIT {limit}" if limit > 0 else ""
    names = mapping(kind).columns
    rows = services.store.read().select(kind, f'1=1 ORDER BY "id" DESC{tail}')
    return [{name: hide(redact(getattr(row, name)), name) for name in names} for row in reversed(rows)]


def redact(value: Any, key: str = "") -> Any:
    """User data, scripts and keys are named but not shown; a login inside a URL is left out."""
    if isinstance(value, dict):
        return {name: redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    if key.upper() in _LONG and value:
        return f"({len(str(value))} characters)"
    return _LOGIN.sub("//(hidden)@", value) if isinstance(value, str) else value


def _add(archive: tarfile.TarFile, name: str, value: Any, now: float) -> None:
    data = msgspec.json.format(msgspec.json.encode(value), indent=1)
    info = tarfile.TarInfo(f"nebula-support/{name}")
    info.size, info.mode, info.mtime = len(data), 0o600, int(now)
    archive.addfile(info, io.BytesIO(data))
