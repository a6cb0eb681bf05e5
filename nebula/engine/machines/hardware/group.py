"""A block of a template, read by what is declared of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from nebula.engine.machines.hardware.declared import Attribute, known
from nebula.errors import UsageError

_declared = cache(known)


class Group:
    """`block` names the declared attributes, `title` the group in errors (DISK 1). Empty values are as good as none."""

    def __init__(self, block: str, values: Mapping[str, Any], title: str = "") -> None:
        self._attributes, self._values = _declared(block), values
        self._title = title or block

    def given(self, name: str) -> bool:
        """Whether the template says something of it."""
        return self._values.get(name) not in (None, "")

    def word(self, name: str, default: str = "") -> str:
        """A text."""
        found = self._read(name, default)
        return found if isinstance(found, str) else str(found)

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        return int(self._read(name, default))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """YES or NO."""
        return bool(self._read(name, default))

    def choice(self, name: str) -> bool | None:
        """YES, NO or nothing said."""
        return self.flag(name) if self.given(name) else None

    def refuse(self, name: str, why: str, hint: str) -> UsageError:
        """An attribute that does not fit the others."""
        return UsageError(f"{self._full(name)} does not fit", cause=why, hint=hint)

    def check(self) -> None:
        """UsageError for the first attribute that makes no sense, or that is refused."""
        for attribute in self._said():
            if attribute.status == "refused":
                raise UsageError(
                    f"{self._full(attribute.name)} is not supported",
                    cause=attribute.note,
                    hint="leave it out: docs/template.md",
                )
            attribute.kind(self._full(attribute.name), self._values[attribute.name])

    def _said(self) -> Iterator[Attribute]:
        return (self._attributes[name] for name in self._values if name in self._attributes and self.given(name))

    def _read(self, name: str, default: Any) -> Any:
        return self._attributes[name].kind(self._full(name), self._values[name]) if self.given(name) else default

    def _full(self, name: str) -> str:
        return f"{self._title}/{name}" if self._title else name


def one(template: Mapping[str, Any], block: str) -> Group:
    """The template's group of that name, empty where it has none; "" is the template itself."""
    return Group(block, template if not block else template.get(block) or {})


def many(template: Mapping[str, Any], block: str) -> list[Group]:
    """Its groups of that name, in order."""
    return [Group(block, values, f"{block} {number}") for number, values in enumerate(template.get(block) or ())]
