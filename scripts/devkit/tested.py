"""docs/tested.md: how the tier that is not run for every change ended when it was run last; the run itself writes it."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

from .phase import Outcome

PAGE = Path("docs") / "tested.md"
_TEXT = """\
# Tested

`scripts/test slow` boots distributions under emulation and drives a browser, which takes too long for every change. It writes
this page.

| | |
|---|---|
| run at | {when} |
| commit | {commit} |
| result | {result} |
| pytest | {closing} |
| took | {seconds:.0f} s |
"""


def write(root: Path, outcome: Outcome, now: datetime) -> None:
    """Put the newest result of the slow tier into the page."""
    (root / PAGE).write_text(
        _TEXT.format(
            when=now.strftime("%Y-%m-%d %H:%M UTC"),
            commit=_commit(root),
            result="passed" if outcome.status == 0 else "failed",
            closing=(outcome.closing[-1] if outcome.closing else "no output").strip("= "),
            seconds=outcome.seconds,
        )
    )


def _commit(root: Path) -> str:
    """Short, and whether there was anything else in the tree."""
    head = _git(root, "rev-parse", "--short", "HEAD").strip()
    changed = [line for line in _git(root, "status", "--porcelain").splitlines() if not line.endswith(str(PAGE))]
    return f"{head or 'unknown'}{' and changes' if changed else ''}"


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False).stdout
