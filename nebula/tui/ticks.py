"""A list of which some lines are ticked."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import SelectionList
from textual.widgets.option_list import OptionDoesNotExist


class Ticks(SelectionList[str]):
    """Space ticks. A tick where a line is, nothing where it is not: also without colours."""

    DEFAULT_CSS = "Ticks { border: none; height: auto; max-height: 20; padding: 0; background: $surface; }"

    def fill(self, lines: Iterable[tuple[str, str, bool]]) -> None:
        """(text, value, whether it is ticked); the first line is the one that Space is about."""
        self.clear_options()
        self.add_options(lines)
        self.highlighted = 0 if self.option_count else None

    def render_line(self, y: int) -> Strip:
        """See Widget."""
        strip = super().render_line(y)
        try:
            ticked = self.get_option_at_index(self.scroll_offset.y + y).value in self.selected
        except OptionDoesNotExist:
            return strip
        left, inner, *rest = strip
        return Strip([left, Segment("✓" if ticked else " ", inner.style), *rest])
