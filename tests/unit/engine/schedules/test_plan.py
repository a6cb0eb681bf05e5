"""When a scheduled action is due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.schedules.plan import Plan, as_given, following, moment, plan_of
from nebula.errors import UsageError


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone whose clocks are put on and back."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    """Local time in seconds."""
    return datetime.fromisoformat(text).astimezone().timestamp()


def shown(seconds: float) -> str:
    """Seconds in local time."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %Y-%m-%d %H:%M") if seconds else "never"


NOW = 1_795_694_400.0  # Thu 2026-11-26 13:00 in Berlin


def plan(**attributes: Any) -> Plan:
    """Made now."""
    return plan_of({"ACTION": "poweroff", "TIME": "now", **attributes}, NOW)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", NOW),
        ("+3600", NOW + 3600),
        ("+1h30m", NOW + 5400),
        ("1795700000", 1_795_700_000.0),
        ("2026-12-24 18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00:30+00:00", "2026-12-24T18:00:30+00:00"),
        ("22:00", "2026-11-26 22:00"),
        ("9:05", "2026-11-27 09:05"),
    ],
)
def test_times_as_people_write_them(text: str, when: float | str) -> None:
    assert moment(text, NOW) == (at(when) if isinstance(when, str) else when)


@pytest.mark.parametrize(
    "text", ["", "soon", "+", "+x", "2026-13-01", "2020-01-01", "25:00", "9" * 30, "+99999d", "1e9", "٣:٠٠"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        moment(text, NOW)


def times(made: Plan, count: int) -> list[str]:
    """The first times at which it is due."""
    found: list[str] = []
    runs, due = 0, made.at
    while due and len(found) < count:
        found.append(shown(due))
        runs += 1
        due = following(made, due, due, runs)
    return found


def test_once() -> None:
    assert times(plan(), 3) == ["Thu 2026-11-26 13:00"]


def test_on_days_of_the_week_at_the_same_hour_whatever_clocks_do() -> None:
    made = plan(TIME=str(int(at("2027-03-26 22:30"))), REPEAT="weekly", DAYS="fri,0")
    assert times(made, 4) == ["Fri 2027-03-26 22:30", "Sun 2027-03-28 22:30", "Fri 2027-04-02 22:30", "Sun 2027-04-04 22:30"]


def test_the_first_time_is_one_of_the_days() -> None:
    assert times(plan(REPEAT="0", DAYS="1"), 2) == ["Mon 2026-11-30 13:00", "Mon 2026-12-07 13:00"]


def test_on_days_of_the_month_that_has_them() -> None:
    made = plan(TIME=str(int(at("2027-01-30 08:00"))), REPEAT="1", DAYS="30")
    assert times(made, 3) == ["Sat 2027-01-30 08:00", "Tue 2027-03-30 08:00", "Fri 2027-04-30 08:00"]


def test_on_days_of_the_year() -> None:
    assert times(plan(REPEAT="2", DAYS="0"), 2) == ["Fri 2027-01-01 13:00", "Sat 2028-01-01 13:00"]
    assert times(plan(REPEAT="2", DAYS="365"), 2) == ["Sun 2028-12-31 13:00", "Fri 2032-12-31 13:00"]


def test_after_hours_and_so_many_times() -> None:
    made = plan(REPEAT="3", DAYS="6", END_TYPE="1", END_VALUE="3")
    assert times(made, 9) == ["Thu 2026-11-26 13:00", "Thu 2026-11-26 19:00", "Fri 2026-11-27 01:00"]


def test_until_a_day() -> None:
    made = plan(REPEAT="3", DAYS="24", END_TYPE="2", END_VALUE="2026-11-28 14:00")
    assert times(made, 9) == ["Thu 2026-11-26 13:00", "Fri 2026-11-27 13:00", "Sat 2026-11-28 13:00"]


def test_what_was_missed_is_not_made_up_for() -> None:
    daily = plan(REPEAT="3", DAYS="24")
    assert shown(following(daily, daily.at, at("2026-12-24 18:00"), 1)) == "Fri 2026-12-25 13:00"
    weekly = plan(REPEAT="0", DAYS="4")
    assert shown(following(weekly, weekly.at, at("2026-12-24 18:00"), 1)) == "Thu 2026-12-31 13:00"


@pytest.mark.parametrize(
    "attributes",
    [
        {"ACTION": "explode"},
        {"ACTION": ""},
        {"ARGS": "h2"},
        {"REPEAT": "9"},
        {"REPEAT": "0"},
        {"REPEAT": "0", "DAYS": "7"},
        {"REPEAT": "weekly", "DAYS": "someday"},
        {"REPEAT": "1", "DAYS": "0"},
        {"REPEAT": "3", "DAYS": "1,2"},
        {"REPEAT": "3", "DAYS": "168"},
        {"DAYS": "1"},
        {"END_TYPE": "1", "END_VALUE": "0"},
        {"END_TYPE": "7"},
        {"COLOUR": "red"},
    ],
)
def test_what_cannot_be_meant_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        plan(**attributes)


@given(
    st.sampled_from(["weekly", "monthly", "yearly", "hourly"]),
    st.sets(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.integers(0, 50),
)
def test_the_next_time_is_always_to_come_and_a_plan_is_read_back(
    repeat: str, days: set[int], first: int, later: int, times: int
) -> None:
    chosen = sorted(days)[:1] if repeat == "hourly" else sorted(days)
    ends = {"END_TYPE": "1", "END_VALUE": str(times)} if times else {}
    made = plan(TIME=f"+{first}", REPEAT=repeat, DAYS=",".join(map(str, chosen)), **ends)
    due = following(made, made.at, made.at + later, 1)
    assert due > made.at + later or (due == 0 and times == 1)
    assert plan_of(as_given(made, made.at), NOW) == made
