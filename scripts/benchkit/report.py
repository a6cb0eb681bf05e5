"""Showing figures: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .figure import Figure

HEADS = ("FIGURE", "MEDIAN", "Q1", "Q3", "N", "BESIDE")


def table(figures: Sequence[Figure]) -> str:
    """A line for each figure."""
    rows = [HEADS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    first, third = figure.quartiles
    numbers = f"{figure.median:.2f} {figure.unit}", f"{first:.2f}", f"{third:.2f}", str(len(figure.samples))
    return (figure.name, *numbers, figure.beside)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)), row[5]]
    return "  ".join(cells).rstrip()


def write(path: Path, about: Mapping[str, object], results: Mapping[str, Sequence[Figure]]) -> None:
    """The whole run as JSON."""
    suites = {name: [figure.as_dict() for figure in figures] for name, figures in results.items()}
    path.write_text(json.dumps({**about, "suites": suites}, indent=1) + "\n")
