"""The line behind `:`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input


class Prompt(Input):
    """Seen only while something is typed into it."""

    DEFAULT_CSS = """
    Prompt { border: none; height: 1; padding: 0 1; background: $boost; display: none; }
    Prompt.-open { display: block; border: none; }
    Prompt.-open:focus { border: none; }
    """

    class Given(Message):
        """What was typed; "" if it was left."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._then: Callable[[str], object] | None = None

    def ask(self, words: Sequence[str], *, sign: str = ":", then: Callable[[str], object] | None = None) -> None:
        """Open it. `then` gets the text in the place of a message."""
        self._then = then
        self.placeholder = sign
        self.suggester = SuggestFromList(words) if words else None
        self.value = ""
        self.add_class("-open")
        self.screen.set_focus(self)

    async def action_submit(self) -> None:
        """See Input."""
        self._leave(self.value)

    def key_escape(self) -> None:
        """Nothing after all."""
        self._leave("")

    def _leave(self, text: str) -> None:
        self.remove_class("-open")
        if self._then is not None and text:
            self._then(text)
            text = ""
        self.post_message(self.Given(text))
