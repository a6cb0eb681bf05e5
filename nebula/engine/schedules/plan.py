"""When a scheduled action is due: read from OpenNebula's SCHED_ACTION, and counted on from one time to the next.

REPEAT 0 is weekly (DAYS 0 to 6, Sunday is 0), 1 monthly (1 to 31), 2 yearly (0 to 365), 3 every so many hours (one number, 1 to
167). END_TYPE 0 is never, 1 after END_VALUE times, 2 at the moment END_VALUE. Days are those of the engine's time zone, at the
hour and minute of the first time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from nebula.engine.schedules.actions import action_named
from nebula.errors import UsageError
from nebula.units import parse_duration

Repeat = Literal["", "weekly", "monthly", "yearly", "hourly"]
_REPEATS: dict[str, Repeat] = {"0": "weekly", "1": "monthly", "2": "yearly", "3": "hourly", "-1": "", "": ""}
_DAYS: dict[Repeat, tuple[int, int]] = {"weekly": (0, 6), "monthly": (1, 31), "yearly": (0, 365), "hourly": (1, 167)}
_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_KNOWN = frozenset(
    {"ACTION", "TIME", "ARGS", "REPEAT", "DAYS", "END_TYPE", "END_VALUE", "NAME"} | {"ID", "PARENT_ID", "TYPE", "WARNING"}
)
"""WARNING is kept for whoever shows it; identities and types are OpenNebula's own and say nothing here."""
_CLOCK = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
_LONGEST = 50 * 366 * 86_400.0
"""Seconds ahead that are believed."""
_YEARS = 9
"""Years in which the next day is looked for: 29 February may be eight away."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`at`: the first time, in seconds since the epoch. `days`: those of `repeat`, or its hours. `times`, `until`: when it
    ends (0: it does not).
    """

    action: str
    at: float
    arguments: str = ""
    repeat: Repeat = ""
    days: tuple[int, ...] = ()
    times: int = 0
    until: float = 0.0
    warning: str = ""


def plan_of(given: Mapping[str, Any], now: float) -> Plan:
    """Of SCHED_ACTION's attributes; a relative TIME counts from `now`. UsageError for what cannot be meant."""
    unknown = set(given) - _KNOWN
    if unknown:
        raise UsageError(
            f"a scheduled action has no {min(unknown)[:60]!r}", hint="ACTION, TIME, ARGS, REPEAT, DAYS, END_TYPE, END_VALUE"
        )
    name, arguments = str(given.get("ACTION", "")).strip().lower(), str(given.get("ARGS", "") or "")
    if not action_named(name).arguments and arguments:
        raise UsageError(f"{name} takes no ARGS", cause=f"got {arguments[:60]!r}", hint="leave ARGS out")
    repeat = _repeat(str(given.get("REPEAT", "")))
    plan = Plan(
        action=name,
        at=moment(str(given.get("TIME", "")), now),
        arguments=arguments,
        repeat=repeat,
        days=_days(repeat, str(given.get("DAYS", "") or "")),
        warning=str(given.get("WARNING", "") or "")[:60],
        **_end(given, now),
    )
    return msgspec.structs.replace(plan, at=_first(plan))


def as_given(plan: Plan, at: float) -> dict[str, str]:
    """OpenNebula's attributes of a plan that is due next at that moment; `plan_of` reads them back."""
    given = {"ACTION": plan.action, "TIME": str(int(at)), "ARGS": plan.arguments, "WARNING": plan.warning}
    if plan.repeat:
        given |= {"REPEAT": plan.repeat, "DAYS": ",".join(map(str, plan.days))}
    if plan.times:
        given |= {"END_TYPE": "1", "END_VALUE": str(plan.times)}
    if plan.until:
        given |= {"END_TYPE": "2", "END_VALUE": str(int(plan.until))}
    return {key: value for key, value in given.items() if value}


def moment(text: str, now: float) -> float:
    """Seconds since the epoch: `now`, `+3600` or `+2h` from now, a number of seconds, `2026-12-01 22:00` in local time or with
    an offset, `22:00` for the next one. UsageError for anything else, and for what is past.
    """
    text = text.strip()
    if text == "now":
        return now
    found = now + parse_duration(text[1:]) if text.startswith("+") else _absolute(text, now)
    if found < now - 1 or found > now + _LONGEST:
        raise UsageError(f"{text[:60]!r} is {'past' if found < now else 'too far ahead'}", hint="+2h, or 2027-01-31 22:00")
    return found


def _absolute(text: str, now: float) -> float:
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return float(text)
    try:
        if _CLOCK.fullmatch(text):
            today = datetime.combine(_local(now).date(), time.fromisoformat(text.zfill(5)))
            return (today if today.timestamp() > now else today + timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text[:60]!r} is no time", hint="+2h, 22:00, 2027-01-31 22:00, or seconds since the epoch"
        ) from error


def _repeat(text: str) -> Repeat:
    word = text.strip().lower()
    if word in _DAYS:
        return word
    if word not in _REPEATS:
        raise UsageError(f"{text[:60]!r} is no way to repeat", hint="weekly, monthly, yearly or hourly")
    return _REPEATS[word]


def _days(repeat: Repeat, text: str) -> tuple[int, ...]:
    if not repeat:
        if text.strip():
            raise UsageError("DAYS say when to repeat, and nothing repeats", hint="add REPEAT, or leave DAYS out")
        return ()
    least, most = _DAYS[repeat]
    words = [word.strip().lower()[:3] for word in text.split(",") if word.strip()]
    found = {_WEEK.index(word) if repeat == "weekly" and word in _WEEK else _number(word, text) for word in words}
    if not found or min(found) < least or max(found) > most or (repeat == "hourly" and len(found) > 1):
        what = "one number of hours" if repeat == "hourly" else "days, separated by commas"
        raise UsageError(f"{repeat} needs {what}, {least} to {most}", cause=f"got {text[:60]!r}", hint="DAYS=1,15")
    return tuple(sorted(found))


def _number(word: str, text: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise UsageError(f"{text[:60]!r} are no days", hint="write them like mon,fri, or as numbers: 1,15")
    return int(word)


def _end(given: Mapping[str, Any], now: float) -> dict[str, Any]:
    kind, value = str(given.get("END_TYPE", "") or "-1").strip(), str(given.get("END_VALUE", "") or "").strip()
    if kind in {"-1", "0"}:
        return {}
    if kind == "1":
        if not (value.isascii() and value.isdecimal() and 0 < int(value[:9] or 0) < 1_000_000):
            raise UsageError(f"{value[:60]!r} is no number of times", hint="END_TYPE=1, END_VALUE=10")
        return {"times": int(value)}
    if kind == "2":
        return {"until": moment(value, now)}
    raise UsageError(f"END_TYPE {kind[:20]!r} is unknown", hint="0 never, 1 after END_VALUE times, 2 at the moment END_VALUE")


def _first(plan: Plan) -> float:
    """The first time is the given one, where its day is one of those to repeat on."""
    if not plan.repeat or plan.repeat == "hourly" or _fits(plan, _local(plan.at).date()):
        return plan.at
    return _on_next_day(plan, plan.at)


def following(plan: Plan, last: float, now: float, runs: int) -> float:
    """When it is due after `last`, the time it was due before, and after now: what was missed meanwhile is not made up for.
    0 if never again; `runs`: how often it was carried out.
    """
    if not plan.repeat or (plan.times and runs >= plan.times):
        return 0.0
    if plan.repeat == "hourly":
        step = plan.days[0] * 3600.0
        found = last + step * max(1, int((now - last) // step) + 1)
    else:
        found = _on_next_day(plan, last)
        while found and found <= now:
            found = _on_next_day(plan, found)
    return 0.0 if plan.until and found > plan.until else found


def _on_next_day(plan: Plan, after: float) -> float:
    start = _local(after)
    for ahead in range(1, _YEARS * 366):
        day = start.date() + timedelta(days=ahead)
        if _fits(plan, day):
            return datetime.combine(day, start.time()).timestamp()
    return 0.0


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()


def _fits(plan: Plan, day: date) -> bool:
    match plan.repeat:
        case "weekly":
            return day.isoweekday() % 7 in plan.days
        case "monthly":
            return day.day in plan.days
        case _:
            return day.timetuple().tm_yday - 1 in plan.days
