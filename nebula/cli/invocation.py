"""A parsed line: the command and its values, whichever parser read them."""

from __future__ import annotations

from typing import NamedTuple

from nebula.cli.command import Command
from nebula.cli.options import GlobalOptions
from nebula.errors import UsageError

Value = str | bool | int | tuple[str, ...]


class Invocation(NamedTuple):
    """`values`: argument and option key -> value; "" stands for what was not given."""

    command: Command
    values: dict[str, Value]
    options: GlobalOptions

    def text(self, key: str) -> str:
        """A text, "" if it was not given."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """A repeatable text."""
        value = self.values.get(key, ())
        return value if isinstance(value, tuple) else ()

    def flag(self, key: str) -> bool:
        """Whether a flag was given."""
        return self.values.get(key) is True

    def has(self, key: str) -> bool:
        """Whether it was given at all (0 is a value, an empty text is none)."""
        value = self.values.get(key, "")
        return value is not False and value not in ("", ())

    def number(self, key: str, *, least: int = 0, most: int = 1 << 31) -> int:
        """An integer option, `least` if it was not given; UsageError outside the two limits."""
        value = self.values.get(key, "")
        if value == "":
            return least
        number = int(value) if isinstance(value, str | int) else least
        if not least <= number <= most:
            raise UsageError(f"--{key.replace('_', '-')} {number} is out of range", hint=f"use {least} to {most}")
        return number


def with_globals(options: GlobalOptions, values: dict[str, Value]) -> GlobalOptions:
    """The options with those found among `values` on top (later ones win)."""
    given = {key: values[key] for key in GlobalOptions._fields if values.get(key)}
    if values.get("wait"):
        given["no_wait"] = False
    return options._replace(**given)  # type: ignore[arg-type]
