"""What an object may be called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.names import LONGEST, check_name


@pytest.mark.parametrize(
    "name", ["web", "web-1", "a b", "Über-Server", "node.example.org", "x" * LONGEST, "db_1", "日本", "7up"]
)
def test_good_names_come_back_unchanged(name: str) -> None:
    assert check_name("vm", name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " web",
            "web ",
            "a'b",
            'a"b',
            "a\nb",
            "$(reboot)",
            "`id`",
            "a;b",
            "a|b",
            "../etc",
            "a\x1b[31mb",
            "a\0b",
            "x" * 129,
        ),
        *("-f", ".hidden", "12", "12..20", "db*", "a\u202eb", "\ud800"),
    ],
)
def test_bad_names_are_refused_with_one_clear_error(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name("vm", name)
    assert "vm" in caught.value.message
    assert caught.value.cause
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@given(st.text(max_size=200))
def test_a_name_that_passes_is_safe_to_print_and_to_find_again(name: str) -> None:
    try:
        check_name("host", name)
    except UsageError:
        return
    assert name.isprintable()
    assert not name.isdigit()
    assert not set(name) & set("'\"`$\\*?/")
