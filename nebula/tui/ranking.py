"""How well something that was typed fits a name: exact before prefix before fuzzy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def rank(typed: str, text: str) -> tuple[int, int] | None:
    """Smaller fits better; None for what does not fit at all."""
    wanted, name = typed.lower().strip(), text.lower()
    if not wanted:
        return 0, 0
    if name == wanted:
        return 0, 0
    if name.startswith(wanted):
        return 1, len(name)
    if all(any(word.startswith(part) for word in name.replace("-", " ").split()) for part in wanted.split()):
        return 2, len(name)
    if wanted in name:
        return 3, name.index(wanted)
    gaps = _gaps(wanted.replace(" ", ""), name)
    return None if gaps is None else (4, gaps)


def _gaps(wanted: str, name: str) -> int | None:
    """How many letters stand between those that were typed, in their order."""
    place, first, gaps = -1, None, 0
    for letter in wanted:
        found = name.find(letter, place + 1)
        if found < 0:
            return None
        if first is not None:
            gaps += found - place - 1
        first, place = found if first is None else first, found
    return gaps


def best(
    typed: str, items: Iterable[T], names: Callable[[T], Sequence[str]], recent: Sequence[str] = (),
    near: Callable[[T], bool] = lambda _: False,
) -> list[T]:  # fmt: skip
    """What fits by one of its names (the first is what it is called), the best first; of what fits alike the most recent,
    then what is near.
    """
    places = {name: index for index, name in enumerate(recent)}
    found: list[tuple[tuple[int, int, bool, int, int], T]] = []
    for index, item in enumerate(items):
        called = names(item)
        scores = [score for name in called if (score := rank(typed, name)) is not None]
        if scores:
            kind, distance = min(scores)
            far = bool(typed.strip()) and not near(item)
            found.append(((kind, places.get(called[0], len(places)), far, distance, index), item))
    return [item for _, item in sorted(found, key=lambda entry: entry[0])]
