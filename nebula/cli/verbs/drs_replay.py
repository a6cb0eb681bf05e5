"""nebula drs replay: the planner over snapshots from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli.output.formats import json_text, yaml_text
from nebula.cli.output.plan import plan_lines
from nebula.cli.verbs.drs import settings
from nebula.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation

_LARGEST = 1 << 26
"""Bytes of a snapshot's file."""


def replay(context: Context, line: Invocation) -> int:
    """A plan for each snapshot; in a series, VMs are where the plan before put them."""
    changes = settings(line.texts("settings"))
    plans = context.connect.replay([_read(path) for path in _files(Path(line.text("path")))], changes)
    if line.text("format") in {"json", "yaml"}:
        write = json_text if line.text("format") == "json" else yaml_text
        context.write(write(plans[0] if len(plans) == 1 else plans))
        return 0
    for index, plan in enumerate(plans):
        if index:
            context.write("")
        for text in plan_lines(plan, context.now(), context.width()):
            context.write(text)
    return 0


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        if not found:
            raise NotFoundError(f"the directory {path} has no .json file", hint="nebula drs snapshot FILE.json")
        return found
    return [path]


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"the file {path} is larger than {_LARGEST >> 20} MiB")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file", hint="nebula drs snapshot FILE")
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="nebula drs snapshot FILE") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"the file {path} is no snapshot", cause=str(error)[:200], hint="nebula drs snapshot FILE") from error
    if not isinstance(body, dict):
        raise UsageError(f"the file {path} is no snapshot", hint="nebula drs snapshot FILE")
    return body
