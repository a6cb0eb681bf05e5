"""Templates in YAML, from people who may have got them anywhere: every value is text, and there are limits.

Numbers and truth values stay as they are written (an address like 52:54:00:12:34:56 is no number in base 60, and NO is
not false); aliases, which can make a small file huge, and repeated keys are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from nebula.cli.textfile import read_text
from nebula.errors import UsageError

LARGEST = 1 << 20
"""Bytes in a file."""
DEEPEST = 16
"""Levels of nesting."""


class _Refused(Exception):
    """Why a document is refused, and where."""

    def __init__(self, problem: str, mark: Any, hint: str = "") -> None:
        super().__init__(problem)
        self.problem, self.mark, self.hint = problem, mark, hint


class _Loader(yaml.BaseLoader):
    """Plain text values only, no aliases, no repeated keys, a limited depth."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, if it is one that we take."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("aliases (*name) are not taken", event.start_mark, "write out what it stands for")
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"it is nested more than {DEEPEST} levels deep", event.start_mark, "no attribute needs that")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are different text."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("a key is not text", key.start_mark)
            if key.value in seen:
                raise _Refused(f"the key {key.value!r} is there twice", key.start_mark, "leave one out, or write a list")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(name: str) -> list[dict[str, Any]]:
    """The mappings in a file, one a document; "-" for stdin. UsageError says what is wrong in which line."""
    text = read_text(name, name, largest=LARGEST, hint="a template is a few hundred bytes", stdin=True)
    return parse(text, name if name != "-" else "stdin")


def parse(text: str, name: str) -> list[dict[str, Any]]:
    """The mappings in a YAML text, one a document, at least one; values are texts, lists and mappings."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        values = list(_documents(loader))
    except _Refused as refused:
        raise _error(name, refused.problem, refused.mark, refused.hint) from refused
    except yaml.MarkedYAMLError as error:
        raise _error(name, str(error.problem or error), error.problem_mark) from error
    except yaml.YAMLError as error:
        raise _error(name, str(error).splitlines()[0], None) from error
    finally:
        if loader is not None:
            loader.dispose()
    if not values or not all(isinstance(value, dict) for value in values):
        raise UsageError(
            f"{name} is not a template",
            cause="it holds no KEY: value lines",
            hint="write it like memory: 2G; several VMs are separated by lines of ---",
        )
    return values


def _documents(loader: _Loader) -> Iterator[Any]:
    """What is in each document; empty ones (a --- at the end) are left out."""
    while loader.check_data():  # type: ignore[no-untyped-call]
        value = loader.get_data()
        if value not in ("", None):
            yield value


def _error(name: str, problem: str, mark: Any, hint: str = "") -> UsageError:
    where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
    usual = "indent with spaces" if "\\t" in problem else "quote values that hold : # { [ * or &"
    return UsageError(f"{where}: {problem}", hint=hint or usual)
