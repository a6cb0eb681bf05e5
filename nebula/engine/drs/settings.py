"""A cluster's policy as it is kept in its row, and as people change it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from nebula import typed
from nebula.engine.drs import when
from nebula.engine.drs.policy import DrsPolicy, Kind, Mode, check
from nebula.engine.store.rows import ClusterRow
from nebula.errors import UsageError
from nebula.units import parse_duration

_KEY = "drs"
_TIMES = {"interval", "cooldown", "no_return"}
_LISTS = {"quiet_hours", "blackout_days"}
_WORDS: dict[str, tuple[str, ...]] = {"policy": get_args(Kind), "mode": get_args(Mode)}


def policy_of(row: ClusterRow) -> DrsPolicy:
    """What the cluster's people decided; the defaults for the rest."""
    return typed.convert(row.body.get(_KEY, {}), DrsPolicy)


def with_policy(row: ClusterRow, policy: DrsPolicy) -> dict[str, Any]:
    """The row's body with that policy."""
    return {**row.body, _KEY: msgspec.to_builtins(policy)}


def changed(policy: DrsPolicy, changes: Mapping[str, str]) -> DrsPolicy:
    """The policy with settings as people type them: {"mode": "full", "weights.cpu": "2", "interval": "5m"}.

    UsageError for a name or a value that makes no sense.
    """
    body: dict[str, Any] = msgspec.to_builtins(policy)
    for name, text in changes.items():
        group, _, key = name.partition(".")
        known = body.get(group)
        if known is None or (isinstance(known, dict) != bool(key)) or (key and key not in known):
            raise UsageError(f"DRS has no setting {name!r}", hint=f"settings: {', '.join(names(policy))}")
        if key:
            known[key] = _number(name, text)
        else:
            body[group] = _value(group, known, text)
    try:
        return check(typed.convert(body, DrsPolicy))
    except msgspec.ValidationError as error:
        raise UsageError("a DRS setting makes no sense", cause=str(error), hint="nebula drs status shows them") from error


def spelled(policy: DrsPolicy) -> dict[str, str]:
    """Every setting by its name, as `changed` takes it."""
    body: dict[str, Any] = msgspec.to_builtins(policy)
    return {
        (f"{name}.{key}" if key else name): _spelled(name, part)
        for name, value in body.items()
        for key, part in (value.items() if isinstance(value, dict) else [("", value)])
    }


def decided(policy: DrsPolicy) -> dict[str, str]:
    """Those that are not as they are without anybody's decision."""
    usual = spelled(DrsPolicy())
    return {name: text for name, text in spelled(policy).items() if text != usual[name]}


def names(policy: DrsPolicy) -> list[str]:
    """Every setting's name."""
    body: dict[str, Any] = msgspec.to_builtins(policy)
    return [f"{name}.{key}" for name, value in body.items() if isinstance(value, dict) for key in value] + [
        name for name, value in body.items() if not isinstance(value, dict)
    ]


def _spelled(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return f"{value:g}s" if name in _TIMES else str(value)


def _value(name: str, known: Any, text: str) -> Any:
    if name in _LISTS:
        return _list(name, text)
    if isinstance(known, bool):
        return _yes(name, text)
    if isinstance(known, str):
        return _word(name, text)
    if name in _TIMES:
        return parse_duration(text)
    number = _number(name, text)
    if not isinstance(known, int):
        return number
    if not number.is_integer():
        raise UsageError(f"{name} takes a whole number, not {text[:40]!r}", hint=f"for example {name}={round(number) or 1}")
    return int(number)


def _word(name: str, text: str) -> str:
    word, known = text.strip().lower(), _WORDS[name]
    if word not in known:
        raise UsageError(f"{name} takes no {text[:40]!r}", hint=f"one of {', '.join(known)}")
    return word


def _list(name: str, text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if name == "blackout_days":
        return tuple(when.day(word) for word in words)
    for word in words:
        when.minutes(word)
    return words


def _yes(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in {"yes", "no", "true", "false"}:
        raise UsageError(f"{name} is yes or no, not {text[:40]!r}", hint=f"{name}=yes, or {name}=no")
    return word in {"yes", "true"}


def _number(name: str, text: str) -> float:
    """A number; "80%" is .8."""
    words = text.strip()
    share = words.endswith("%")
    try:
        number = float(words.rstrip("%"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{name} takes a number, not {text[:40]!r}", hint="for example 0.8 or 80%")
    return number / 100 if share else number
