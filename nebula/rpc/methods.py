"""The verbs as they are on the wire, read off the façade's Protocol classes: none is written twice, none besides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any, get_origin, get_type_hints

import msgspec

from nebula import typed
from nebula.engine.api.values import Call
from nebula.engine.api.verbs import ByteStream, Engine, Tunnel
from nebula.errors import UsageError, VersionError

ONCE = frozenset({"system.backup", "system.support", "system.stop", "vm.execute", "vm.executed", "vm.kill", "vm.open_file"})
"""Verbs that would do harm a second time (another copy, the next owner stopped, a program run twice): never sent again."""

_NO_PLURALS = frozenset({"drs", "metrics", "onegate"})


class Method(msgspec.Struct, frozen=True):
    """A verb on the wire: "vm.create" is `create` of the façade's `vms`."""

    wire: str
    noun: str
    verb: str
    params: type[msgspec.Struct]
    """The parameters by name, with their types and defaults; made from positional and named ones alike."""
    result: Any
    """The annotated type of the answer."""

    @property
    def changes(self) -> bool:
        """Whether it takes a `Call`."""
        return "call" in self.params.__struct_fields__

    @property
    def streams(self) -> bool:
        """Whether the connection is its own from then on: events, a console, a tunnel."""
        return self.result in (ByteStream, Tunnel) or get_origin(self.result) is Iterator

    def parse(self, params: bytes) -> msgspec.Struct:
        """Parameters off the wire; UsageError for unknown, missing and wrong ones."""
        try:
            return typed.decode(params, self.params)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
            raise UsageError(
                f"{self.wire}: wrong parameters", cause=str(problem), hint="use the same version of nebula"
            ) from problem


@cache
def nouns() -> dict[str, type]:
    """The façade's attribute -> its Protocol class."""
    properties = {name: item for name, item in vars(Engine).items() if isinstance(item, property)}
    return {name: get_type_hints(item.fget)["return"] for name, item in properties.items()}


@cache
def method(noun: str, verb: str) -> Method:
    """A verb by the façade's names ("vms", "create"); KeyError if there is none."""
    function = _functions(nouns()[noun])[verb]
    wire = f"{_singular(noun)}.{verb}"
    hints = get_type_hints(function)
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[1 : code.co_argcount]
    required = len(names) - len(defaults)
    fields: list[Any] = [(name, hints[name]) for name in names[:required]]
    fields += [(name, hints[name], value) for name, value in zip(names[required:], defaults, strict=True)]
    params = msgspec.defstruct(f"{wire} parameters", fields, omit_defaults=True, forbid_unknown_fields=True)
    return Method(wire, noun, verb, params, hints["return"])


def find(wire: str) -> Method:
    """The verb of that name on the wire; VersionError if the façade has none: a newer client asks."""
    noun, _, verb = wire.partition(".")
    try:
        return method(_plurals()[noun], verb)
    except KeyError:
        raise VersionError(
            f"the engine has no verb {wire[:80]!r}",
            cause="it is of another version than the command",
            hint="nebula daemon stop, then start the engine with the same nebula",
        ) from None


def every() -> list[Method]:
    """All verbs."""
    return [method(noun, verb) for noun, kind in nouns().items() for verb in _functions(kind)]


def with_call(params: msgspec.Struct, **changed: str) -> msgspec.Struct:
    """The parameters with other fields in their `Call` ("actor", "key")."""
    call: Call = params.call  # type: ignore[attr-defined]
    return msgspec.structs.replace(params, call=msgspec.structs.replace(call, **changed))


def arguments(params: msgspec.Struct) -> dict[str, Any]:
    """Parameters by name, as the façade's method takes them."""
    return {name: getattr(params, name) for name in params.__struct_fields__}


@cache
def _functions(kind: type) -> dict[str, FunctionType]:
    """The verbs of a Protocol class, those of the Protocols that it extends first."""
    found = {name: item for part in reversed(kind.__mro__) for name, item in vars(part).items()}
    return {name: item for name, item in found.items() if isinstance(item, FunctionType) and not name.startswith("_")}


@cache
def _plurals() -> dict[str, str]:
    return {_singular(noun): noun for noun in nouns()}


def _singular(noun: str) -> str:
    return noun if noun in _NO_PLURALS else noun.removesuffix("s")
