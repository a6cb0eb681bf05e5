"""What a tab asks of something that is drawn of measurements, in the place of a text."""

from __future__ import annotations

from textual.containers import Vertical


class Drawing(Vertical):
    """Of the row under the cursor."""

    DEFAULT_CSS = "Drawing { height: auto; display: none; }"

    async def show(self, key: int) -> None:
        """Draw it for that row, by what is known now."""
        raise NotImplementedError

    def next_span(self) -> int:
        """Go back so far instead; hours."""
        raise NotImplementedError
