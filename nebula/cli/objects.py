"""From what people type for objects (ids, names, ranges, patterns) to the objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from nebula.cli.nouns import part
from nebula.engine.api.tables import Query
from nebula.errors import ConflictError, NebulaError, NotFoundError, UsageError, WrongStateError
from nebula.names import near

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine

_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
_NEARLY_RANGE = re.compile(r"([0-9]{1,18})[-:]([0-9]{1,18})")
_IDS = re.compile(r"[0-9.,]*,[0-9.,]*")
_PATTERN = frozenset("*?")


class Target(NamedTuple):
    """An object that was meant: its id as `ref`, its name."""

    ref: str
    name: str


def resolve(
    engine: Engine, noun: str, words: Sequence[str], *, gone: bool = False
) -> tuple[list[Target], list[tuple[str, NebulaError]]]:
    """(the objects, each once and in the order typed; what could not be found, with why).

    `gone`: where no other VM is meant, one that is gone may be.
    """
    known = everything(engine, noun)
    found: dict[str, Target] = {}
    missing: list[tuple[str, NebulaError]] = []
    for word in _each(words):
        try:
            found.update((target.ref, target) for target in _matched(engine, noun, word, known, gone=gone))
        except NebulaError as error:
            missing.append((word, error))
    return list(found.values()), missing


def _each(words: Sequence[str]) -> Iterator[str]:
    """The words, with lists of ids (1,2,5..7) taken apart."""
    for word in words:
        if not _IDS.fullmatch(word):
            yield word
            continue
        parts = word.split(",")
        if not all(parts):
            raise UsageError(f"{word[:60]!r} is no list of ids", cause="one of them is empty", hint="write it like 1,2,5..7")
        yield from parts


def resolve_one(engine: Engine, noun: str, word: str, *, gone: bool = False) -> Target:
    """Exactly one object; UsageError if the word means several. `gone`: see `resolve`."""
    targets = list(_matched(engine, noun, word, everything(engine, noun), gone=gone))
    if len(targets) != 1:
        raise UsageError(f"{word!r} means {len(targets)} {noun}s, one is wanted", hint=f"nebula {noun} list name={word}")
    return targets[0]


def _matched(engine: Engine, noun: str, word: str, known: Sequence[Target], *, gone: bool) -> Iterator[Target]:
    try:
        return match(noun, word, known)
    except NotFoundError:
        if noun != "vm":
            raise
        listing = engine.vms.list(Query(columns=("id", "name"), filters=(("state", "=", "DONE"),), done=True))
        left = [Target(str(row[0]), str(row[1])) for row in listing.rows]
        if gone:
            return match(noun, word, left, [*known, *left])
        missed = next((target for target in left if target.ref == word), None)
        if missed is None:
            raise
    raise WrongStateError(f"VM {missed.name} ({missed.ref}) is gone for good", hint=f"nebula vm show {missed.ref}")


def everything(engine: Engine, noun: str) -> list[Target]:
    """All objects of the noun."""
    listing = part(engine, noun).list(Query(columns=("id", "name")))
    return [Target(str(row[0]), str(row[1])) for row in listing.rows]


def match(noun: str, word: str, known: Sequence[Target], alike: Sequence[Target] = ()) -> Iterator[Target]:
    """The objects that the word means. NotFoundError with names that are like it (of `alike`, else of `known`);
    ConflictError if a name is not unique.
    """
    found = _by_number(noun, word, known) if word[:1].isdigit() else None
    if found is None:
        found = [target for target in known if target.name == word]
        if len(found) > 1:
            raise ConflictError(
                f"{len(found)} {noun}s are called {word!r}", hint=f"use an id: {', '.join(target.ref for target in found[:10])}"
            )
        if not found and _PATTERN.intersection(word):
            found = [target for target in known if fnmatchcase(target.name, word)]
    if not found:
        raise not_found(noun, word, alike or known)
    return iter(found)


def not_found(noun: str, word: str, known: Sequence[Target]) -> NotFoundError:
    """The error, with the names that come nearest."""
    alike = near(word, {target.name for target in known})
    hint = f"did you mean {', '.join(alike)}?" if alike else f"nebula {noun} list"
    numbers = _NEARLY_RANGE.fullmatch(word)
    if numbers is not None:
        hint = f"a range of ids is written {numbers[1]}..{numbers[2]}"
    return NotFoundError(f"there is no {noun} {word[:140]!r}", hint=hint)


def _by_number(noun: str, word: str, known: Sequence[Target]) -> list[Target] | None:
    """For an id or a range of ids; None if the word is neither."""
    if word.isascii() and word.isdigit():
        wanted = str(int(word)) if len(word) < 19 else word
        return [target for target in known if target.ref == wanted]
    found = _RANGE.fullmatch(word)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise UsageError(f"the range {word} of {noun}s runs backwards", hint=f"write {last}..{first}")
    return [target for target in known if first <= int(target.ref) <= last]
