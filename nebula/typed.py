"""Plain values as typed ones.

The library learns a struct's fields when it first meets the struct, and a second thread that comes meanwhile finds them half
written: the process dies. Here a type is met by one thread at a time; all of the program goes through this module.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_lock = allocate_lock()
_known: set[Any] = set()


def know(kind: Any) -> None:
    """From now on any thread may use the type."""
    if kind not in _known:
        with _lock:
            msgspec.json.Decoder(kind)  # noqa: TID251
            _known.add(kind)


def convert(value: Any, kind: type[T]) -> T:
    """Plain values (dictionaries, lists, text, numbers) as that type; msgspec.ValidationError if they are not of it."""
    know(kind)
    return msgspec.convert(value, kind)  # noqa: TID251


def decode(data: bytes | bytearray | str, kind: type[T]) -> T:
    """JSON as that type; msgspec.DecodeError if it is no JSON, or not of that type."""
    know(kind)
    return msgspec.json.decode(data, type=kind)  # noqa: TID251


def decoder(kind: type[T]) -> Callable[[bytes | str], T]:
    """A quick `decode` for one type."""
    know(kind)
    return msgspec.json.Decoder(kind).decode  # noqa: TID251
