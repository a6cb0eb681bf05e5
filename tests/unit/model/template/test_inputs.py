"""What a template asks of whoever makes a VM of it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.model.template import UserInput, checked, read_inputs
from nebula.model.template.inputs import TYPES

INPUTS = {
    "BLOG": "M|text|Name of the blog",
    "PW": "M|password|Password of the administrator",
    "SIZE": "O|range|Size in GiB| 1..10 |5",
    "KIND": "M|list|Kind|a,b c,d|b c",
    "PARTS": "O|list-multiple|Parts|x,y,z|x,z",
    "TLS": "O|boolean|Encrypt| |YES",
    "PLAN": "M|fixed|Plan||gold",
}


def one(text: str) -> UserInput:
    return read_inputs({"USER_INPUTS": {"X": text}})[0]


def test_they_are_read_and_ordered() -> None:
    found = read_inputs({"USER_INPUTS": INPUTS, "INPUTS_ORDER": "PW, SIZE,nothing,pw"})
    assert [item.name for item in found] == ["PW", "SIZE", "BLOG", "KIND", "PARTS", "TLS", "PLAN"]
    assert {item.name for item in found if item.wanting} == {"BLOG", "PW"}
    assert [item.name for item in found if item.secret] == ["PW"]
    by_name = {item.name: item for item in found}
    assert by_name["SIZE"].options == ("1", "10")
    assert by_name["KIND"].options == ("a", "b c", "d")
    assert by_name["TLS"].default == "YES"
    assert read_inputs({}) == ()
    assert one("M|text|what|with|a|pipe").default == "a|pipe"


@pytest.mark.parametrize(
    "text",
    [
        "", "M", "X|text|a", "M|colour|a", "M|list|a", "M|list|a| , |", "M|range|a|5", "M|range|a|9..1", "M|range|a|a..b",
        "M|range|a|1..9|10", "M|fixed|a", "M|number|a||x", "O|boolean|a||maybe", "M|range|a|1.5..2",
    ],
)  # fmt: skip
def test_one_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        one(text)
    assert "USER_INPUTS/X" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "answer", "value"),
    [
        ("M|text|a", " x ", " x "),
        ("O|text|a", "", ""),
        ("M|text64|a", "ü\n", base64.b64encode("ü\n".encode()).decode()),
        ("M|number|a", " -12 ", "-12"),
        ("M|number-float|a", "1.50", "1.50"),
        ("M|range|a|1..9", "9", "9"),
        ("M|range-float|a|0.5..1", "0.75", "0.75"),
        ("M|list|a|x y,z", "x y", "x y"),
        ("M|list-multiple|a|x,y,z", "z,x", "z,x"),
        ("M|boolean|a", "true", "YES"),
        ("M|boolean|a", "no", "NO"),
        ("M|fixed|a||v", "v", "v"),
    ],
)
def test_answers_become_values(text: str, answer: str, value: str) -> None:
    assert checked(one(text), answer) == value


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("M|text|a", ""),
        ("M|number|a", "1.5"),
        ("M|number|a", "٣"),
        ("M|number-float|a", "nan"),
        ("M|number-float|a", "1e400"),
        ("M|range|a|1..9", "10"),
        ("M|range-float|a|0.5..1", "0.4"),
        ("M|list|a|x,y", "x,y"),
        ("M|list-multiple|a|x,y", "x,z"),
        ("M|boolean|a", "maybe"),
        ("M|fixed|a||v", "w"),
    ],
)
def test_answers_that_do_not_fit_are_refused(text: str, answer: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked(one(text), answer)
    assert caught.value.message.startswith("X ")
    assert caught.value.hint


def test_a_password_is_never_shown() -> None:
    with pytest.raises(UsageError) as caught:
        checked(one("M|password|a"), "")
    assert caught.value.cause == "text"


@given(st.sampled_from(TYPES), st.text(max_size=20), st.text(max_size=20))
def test_nothing_crashes(kind: str, rest: str, answer: str) -> None:
    found = told = ""
    try:
        found = checked(one(f"M|{kind}|{rest}"), answer)
    except UsageError as error:
        told = error.hint
    assert bool(found) != bool(told), "an answer that is not empty, or what to do"
