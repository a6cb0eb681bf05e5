"""User inputs: what a template asks of whoever makes a VM of it, as OpenNebula writes it.

USER_INPUTS=[ NAME="M|type|description|options|default" ], M for what must be given and O for what may; INPUTS_ORDER="A,B".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.errors import UsageError

INPUTS, ORDER = "USER_INPUTS", "INPUTS_ORDER"
TYPES = (
    "text", "text64", "password", "number", "number-float", "range", "range-float", "list", "list-multiple", "boolean",
    "fixed",
)  # fmt: skip
_FORM = 'write it like DB_SIZE="M|range|Size of the database in GiB|1..100|10"'
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_TRUTH = {"YES": "YES", "TRUE": "YES", "ON": "YES", "1": "YES", "NO": "NO", "FALSE": "NO", "OFF": "NO", "0": "NO"}


class UserInput(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `options`: the bounds of a range ("1", "100"), or the values of a list."""

    name: str
    mandatory: bool
    type: str
    description: str = ""
    options: tuple[str, ...] = ()
    default: str = ""

    @property
    def secret(self) -> bool:
        """Whether nobody shall read the answer."""
        return self.type == "password"

    @property
    def wanting(self) -> bool:
        """Whether nothing can be made of the template without an answer."""
        return self.mandatory and not self.default

    def wanted(self) -> str:
        """What an answer must be, in words."""
        if self.type.startswith("range") and self.options:
            return f"a number from {self.options[0]} to {self.options[1]}"
        if self.type == "list":
            return f"one of {', '.join(self.options)}"
        if self.type == "list-multiple":
            return f"some of {', '.join(self.options)}, with commas between them"
        return _WORDS.get(self.type, "text")


_WORDS = {
    "number": "a whole number", "number-float": "a number", "range": "a whole number", "range-float": "a number",
    "boolean": "YES or NO",
}  # fmt: skip


def read_inputs(template: Mapping[str, Any]) -> tuple[UserInput, ...]:
    """The questions, in the order in which they are asked. UsageError for one that cannot be read."""
    given = template.get(INPUTS) or {}
    if not isinstance(given, Mapping):
        raise UsageError(f"{INPUTS} must be one group of inputs", hint=_FORM)
    found = {str(name).upper(): _read(str(name).upper(), str(text)) for name, text in given.items()}
    order = [name.strip().upper() for name in str(template.get(ORDER) or "").split(",")]
    first = [name for name in dict.fromkeys(order) if name in found]
    return tuple(found[name] for name in [*first, *(name for name in found if name not in first)])


def _read(name: str, text: str) -> UserInput:
    fields = [field.strip() for field in text.split("|", 4)]
    if len(fields) < 2 or fields[0] not in {"M", "O"} or fields[1] not in TYPES:
        raise UsageError(f"{INPUTS}/{name} cannot be read: {text[:80]!r}", cause=f"types are {', '.join(TYPES)}", hint=_FORM)
    mandatory, kind, description, options, default = (*fields, "", "", "")[:5]
    found = UserInput(
        name=name,
        mandatory=mandatory == "M",
        type=kind,
        description=description,
        options=_options(name, kind, options),
        default=default,
    )
    if default:
        _check_default(found)
    elif kind == "fixed":
        raise UsageError(f"{INPUTS}/{name} is fixed and has no value", hint=f'{name}="M|fixed|{description}||VALUE"')
    return found


def _check_default(item: UserInput) -> None:
    try:
        checked(item, item.default)
    except UsageError as error:
        raise UsageError(f"{INPUTS}/{item.name}: its own default does not fit", cause=str(error), hint=_FORM) from error


def _options(name: str, kind: str, text: str) -> tuple[str, ...]:
    if kind in {"list", "list-multiple"}:
        options = tuple(word.strip() for word in text.split(",") if word.strip())
        if not options:
            raise UsageError(f"{INPUTS}/{name} is a list without values", hint=f'{name}="M|{kind}|What it is|a,b,c"')
        return options
    if kind not in {"range", "range-float"} or not text:
        return ()
    low, separator, high = text.partition("..")
    form = _WHOLE if kind == "range" else _FLOAT
    if not separator or not (form.fullmatch(low) and form.fullmatch(high)) or float(low) > float(high):
        raise UsageError(
            f"{INPUTS}/{name}: {text[:40]!r} is no range",
            cause="LOW..HIGH, two numbers",
            hint=f'{name}="M|{kind}|What it is|1..10"',
        )
    return low, high


def checked(item: UserInput, answer: str) -> str:
    """The answer as a template's value (text64 in base64, YES or NO for what is either). UsageError for one of the wrong
    sort; the message never shows a password.
    """
    text = answer if item.type in {"text", "text64", "password"} else answer.strip()
    if not text:
        if item.mandatory:
            raise _wrong(item, answer)
        return ""
    if item.type == "fixed":
        if text != item.default:
            raise UsageError(f"{item.name} is fixed", cause=f"it is {item.default[:60]!r}", hint="leave it out")
        return text
    if item.type == "boolean":
        if text.upper() not in _TRUTH:
            raise _wrong(item, answer)
        return _TRUTH[text.upper()]
    if item.type == "text64":
        return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
    if not _fits(item, text):
        raise _wrong(item, answer)
    return text


def _fits(item: UserInput, text: str) -> bool:
    if item.type == "list":
        return text in item.options
    if item.type == "list-multiple":
        return all(word.strip() in item.options for word in text.split(","))
    if item.type in {"number", "range"}:
        return bool(_WHOLE.fullmatch(text)) and _within(item, text)
    if item.type in {"number-float", "range-float"}:
        return bool(_FLOAT.fullmatch(text)) and _within(item, text)
    return True


def _within(item: UserInput, text: str) -> bool:
    return not item.options or float(item.options[0]) <= float(text) <= float(item.options[1])


def _wrong(item: UserInput, answer: str) -> UsageError:
    if not answer.strip():
        return UsageError(f"{item.name} must be given", cause=item.wanted(), hint=f"--input {item.name}=VALUE")
    got = "" if item.secret else f"got {answer[:60]!r}"
    example = item.options[0] if item.options else "VALUE"
    return UsageError(f"{item.name} must be {item.wanted()}", cause=got, hint=f"--input {item.name}={example}")
