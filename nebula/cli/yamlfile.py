"""Templates in YAML, from people who may have got them anywhere: every value is text, and there are limits.

Numbers and truth values stay as they are written (an address like 52:54:00:12:34:56 is no number in base 60, and NO is
not false); aliases, which can make a small file huge, and repeated keys are refused.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from nebula.errors import NotFoundError, UsageError

LARGEST = 1 << 20
"""Bytes in a file."""
DEEPEST = 16
"""Levels of nesting."""


class _Refused(Exception):
    """Why a document is refused, and where."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem)
        self.problem, self.mark = problem, mark


class _Loader(yaml.BaseLoader):
    """Plain text values only, no aliases, no repeated keys, a limited depth."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, if it is one that we take."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("aliases (*name) are not taken", event.start_mark)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"it is nested more than {DEEPEST} levels deep", event.start_mark)
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
                raise _Refused(f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(name: str) -> dict[str, Any]:
    """The mapping in a file, "-" for stdin. UsageError says what is wrong in which line."""
    return parse(_read(name), name if name != "-" else "stdin")


def parse(text: str, name: str) -> dict[str, Any]:
    """The mapping in a YAML text; values are texts, lists and mappings."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except _Refused as refused:
        raise _error(name, refused.problem, refused.mark) from refused
    except yaml.MarkedYAMLError as error:
        raise _error(name, str(error.problem or error), error.problem_mark) from error
    except yaml.YAMLError as error:
        raise _error(name, str(error).splitlines()[0], None) from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(value, dict):
        raise UsageError(f"{name} is not a template", cause="it holds no KEY: value lines", hint="write it like memory: 2G")
    return value


def _read(name: str) -> str:
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).expanduser().open("rb") as file:
                raw = file.read(LARGEST + 1)
    except OSError as error:
        raise NotFoundError(f"{name} cannot be read", cause=error.strerror or str(error), hint=f"ls -l {name}") from error
    if len(raw) > LARGEST:
        raise UsageError(f"{name} is larger than {LARGEST >> 20} MiB", hint="a template is a few hundred bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8", cause=str(error), hint=f"file {name}") from error


def _error(name: str, problem: str, mark: Any) -> UsageError:
    where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
    return UsageError(f"{where}: {problem}", hint="quote values that hold : # { [ * or &")
