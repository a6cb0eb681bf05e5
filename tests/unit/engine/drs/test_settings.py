"""A cluster's policy as people change it, and the times at which nothing moves."""

from __future__ import annotations

from datetime import datetime

import pytest

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.settings import changed, names
from nebula.engine.drs.when import ends, quiet
from nebula.errors import UsageError


def test_settings_are_typed_as_people_do() -> None:
    policy = changed(
        DrsPolicy(),
        {"mode": "Full", "weights.cpu": "2", "interval": "5m", "budget_share": "20%", "per_host": "3", "predictive": "no"},
    )
    assert (policy.mode, policy.weights.cpu, policy.interval) == ("full", 2.0, 300)
    assert (policy.budget_share, policy.per_host, policy.predictive) == (0.2, 3, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "wild"), ("moode", "full"), ("weights", "1"), ("weights.gpu", "1"), ("interval", "soon"), ("interval", "1"),
        ("coverage", "1"), ("budget_share", "nan"), ("budget_share", "1e999"), ("quiet_hours", "22-6"), ("per_host", "0"),
        ("blackout_days", "someday"), ("predictive", "perhaps"), ("ceiling", "200%"), ("cooldown", "-5"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed(DrsPolicy(), {name: value})
    assert caught.value.message
    assert caught.value.hint


def test_weights_that_balance_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="all weights are 0"):
        changed(DrsPolicy(), {f"weights.{metric}": "0" for metric in ("cpu", "memory", "disk", "network")})


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "2.5", "", "\x1b[31m", "9" * 5000])
@pytest.mark.parametrize("name", ["patience", "at_once", "stop_after"])
def test_numbers_that_count_nothing_are_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        changed(DrsPolicy(), {name: text})


def test_every_setting_can_be_set_to_what_it_is() -> None:
    policy = DrsPolicy(quiet_hours=("22:00-06:00",), blackout_days=("sunday",))
    for name in names(policy):
        group, _, key = name.partition(".")
        value = getattr(policy, group)
        value = getattr(value, key) if key else value
        text = ",".join(value) if isinstance(value, tuple) else "yes" if value is True else str(value)
        text = str(int(value)) if group in {"interval", "cooldown", "no_return"} else text
        assert changed(policy, {name: text}) == policy, name


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-26T23:00", "quiet hours 22:00-06:00"), ("2026-11-26T05:59", "quiet hours 22:00-06:00"),
        ("2026-11-26T06:00", ""), ("2026-11-26T21:59", ""), ("2026-11-29T12:00", "blackout day sunday"),
        ("2026-12-24T12:00", "blackout day 2026-12-24"),
    ],
)  # fmt: skip
def test_nothing_moves_at_quiet_times(moment: str, words: str) -> None:
    policy = changed(DrsPolicy(), {"quiet_hours": "22:00-06:00", "blackout_days": "Sunday, 2026-12-24"})
    assert quiet(policy, datetime.fromisoformat(moment)) == words


def test_the_end_of_a_quiet_time_is_known() -> None:
    policy = changed(DrsPolicy(), {"quiet_hours": "22:00-06:00"})
    assert ends(policy, datetime.fromisoformat("2026-11-26T23:30")) == datetime.fromisoformat("2026-11-27T06:00")
