"""Times at which DRS moves nothing."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from nebula.engine.drs.policy import DrsPolicy
from nebula.errors import UsageError

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_MINUTES = 1440


def quiet(policy: DrsPolicy, moment: datetime) -> str:
    """Why nothing moves at this (local) moment; empty: it may."""
    minute = moment.hour * 60 + moment.minute
    for span in policy.quiet_hours:
        start, end = minutes(span)
        if (minute - start) % _DAY_MINUTES < (end - start) % _DAY_MINUTES:
            return f"quiet hours {span}"
    for day in policy.blackout_days:
        if day in {_DAYS[moment.weekday()], moment.date().isoformat()}:
            return f"blackout day {day}"
    return ""


def minutes(span: str) -> tuple[int, int]:
    """Begin and end of "22:00-06:00" in minutes of the day; UsageError for anything else."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise UsageError(f"{span!r} is no span of hours", hint="write 22:00-06:00")
    hour, minute, last_hour, last_minute = (int(part) for part in found.groups())
    start, end = hour * 60 + minute, last_hour * 60 + last_minute
    if start == end:
        raise UsageError(f"{span!r} is no time at all, or all of it", hint="mode=manual stops all moves")
    return start, end


def day(text: str) -> str:
    """A day of the week, or a date, as it is kept; UsageError for anything else."""
    word = text.strip().lower()
    if word in _DAYS:
        return word
    try:
        return date.fromisoformat(word).isoformat()
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", hint="write sunday, or 2026-12-24") from error


def ends(policy: DrsPolicy, moment: datetime) -> datetime:
    """When the quiet time of this moment is over, to the minute, within a week."""
    for step in range(7 * _DAY_MINUTES):
        then = moment + timedelta(minutes=step)
        if not quiet(policy, then):
            return then
    return moment + timedelta(days=7)
