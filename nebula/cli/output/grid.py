"""Plain tables, written by hand because a table library costs more than the whole command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nebula.cli.colour import paint, state_colour
from nebula.cli.output.text import shorten, width

_GAP = "  "
_NARROWEST = 12
"""A column is not made narrower than this to fit a terminal."""


class Grid:
    """Headers and cells as text. `right`: columns at the right edge; `states`: columns that are coloured."""

    def __init__(
        self, headers: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int], states: frozenset[int] = frozenset()
    ) -> None:
        self.headers, self.rows, self.right, self.states = headers, rows, right, states

    def lines(self, terminal: int = 0, *, coloured: bool = False) -> Iterator[str]:
        """The lines; cut to `terminal` columns if that is not 0."""
        widths = self._widths(terminal)
        yield self._line(self.headers, widths, "bold" if coloured else "")
        for row in self.rows:
            yield self._line(row, widths, "", coloured=coloured)

    def _widths(self, terminal: int) -> list[int]:
        """Of as many columns from the left as have room; the rest is left out."""
        natural = [max([width(header), *(width(row[index]) for row in self.rows)]) for index, header in enumerate(self.headers)]
        if not terminal:
            return natural
        tries = (self._fitting(natural[:count], terminal) for count in range(len(natural), 0, -1))
        return next((widths for widths in tries if widths), [min(natural[0], terminal)])

    def _fitting(self, natural: list[int], terminal: int) -> list[int]:
        """The widths with the widest texts cut so that the line fits; nothing if that would cut too much."""
        widths = list(natural)
        for _ in range(sum(widths) + len(_GAP) * (len(widths) - 1) - terminal):
            widest = max((index for index in range(len(widths)) if index not in self.right), key=widths.__getitem__, default=-1)
            if widest < 0 or widths[widest] <= _NARROWEST:
                return []
            widths[widest] -= 1
        return widths

    def _line(self, cells: Sequence[str], widths: Sequence[int], colour: str, *, coloured: bool = False) -> str:
        parts = []
        for index, size in enumerate(widths):
            text = shorten(cells[index], size)
            fill = " " * (size - width(text))
            own = state_colour(text) if coloured and index in self.states else colour
            text = paint(text, own, wanted=bool(own))
            parts.append(fill + text if index in self.right else text + fill)
        return _GAP.join(parts).rstrip()
