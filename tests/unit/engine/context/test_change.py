"""A context that is changed, and what it must pass."""

from __future__ import annotations

import pytest

from nebula.engine.context import changed, check_context
from nebula.errors import UsageError


def test_values_are_put_beside_each_other_and_empty_ones_go() -> None:
    assert changed({"A": "1", "B": "2", "C": "3"}, {"B": "x", "C": "", "D": "4"}) == {"A": "1", "B": "x", "D": "4"}


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"USER_DATA": "aGk=", "USER_DATA_ENCODING": "base64"}, {"USER_DATA": "#cloud-config"}),
        ({"USERDATA": "old"}, {"USER_DATA": "new"}),
        ({"START_SCRIPT_BASE64": "aGk="}, {"START_SCRIPT": "echo"}),
        ({"SSH_KEY": "old"}, {"SSH_PUBLIC_KEY": "new"}),
        ({"CRYPTED_PASSWORD": "old"}, {"PASSWORD": "new"}),
    ],
)
def test_what_means_the_same_is_replaced(before: dict[str, str], change: dict[str, str]) -> None:
    assert changed({"KEPT": "1", **before}, change) == {"KEPT": "1", **change}


@pytest.mark.parametrize(
    "wrong",
    [
        {"FILES": "/etc/shadow"},
        {"PATH": "/tmp"},
        {"A B": "1"},
        {"A": "a\0b"},
        {"USER_DATA": "%%", "USER_DATA_ENCODING": "base64"},
        {"USER_DATA": "x", "USER_DATA_ENCODING": "gzip"},
        {"START_SCRIPT_BASE64": "%%"},
    ],
)
def test_what_no_cd_carries_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        check_context(wrong)
    assert caught.value.hint


def test_what_a_cd_carries_passes() -> None:
    check_context({"user_data": "#!/bin/sh", "A": None, "PASSWORD": "x", "TOKEN": "YES", "FILES_DS": "a b"})
