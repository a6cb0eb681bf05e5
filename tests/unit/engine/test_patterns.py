"""Regular expressions in filters: what they match, what is refused, and that none runs away."""

from __future__ import annotations

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.patterns import LONGEST, compiled
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim

RUNAWAYS = ["(a+)+$", "(a|aa)+$", "(a|a?)+b", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"]
"""Python's own engine takes longer than the universe for these on some forty characters."""


@pytest.mark.parametrize("text", RUNAWAYS)
def test_none_runs_away(text: str) -> None:
    assert not compiled(text).search("a" * 50_000 + "!" + "x" * 50_000)


@pytest.mark.parametrize(
    ("text", "matches", "not_these"),
    [
        ("^web-[0-9]+$", ["web-1", "web-10"], ["web-", "xweb-1"]),
        ("(?i)WEB", ["a web"], ["wbe"]),
        ("é+|ß", ["caféé", "ß"], ["cafe"]),
        (r"\bdb\b", ["a db b"], ["adb"]),
        ("", ["", "anything"], []),
    ],
)
def test_what_matches(text: str, matches: list[str], not_these: list[str]) -> None:
    pattern = compiled(text)
    assert all(pattern.search(each) for each in matches)
    assert not any(pattern.search(each) for each in not_these)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("(", "missing )"),
        ("[a", "missing ]"),
        ("(?=x)a", "(?="),
        (r"(a)\1", r"\1"),
        (r"\pL{1000}\pN{1000}\pL{1000}", "too large"),
        ("((a{100}){100}){100}", "repetition"),
        ("\udcff", "surrogates"),
        ("a" * (LONGEST + 1), ""),
    ],
)
def test_what_is_refused_is_explained(text: str, cause: str) -> None:
    with pytest.raises(UsageError) as refused:
        compiled(text)
    assert cause in refused.value.cause
    assert "* patterns" in refused.value.hint


def test_in_a_list(bare: Sim) -> None:
    for name in ("web-1", "web-x", "a" * 100):
        bare.engine.vms.create({"NAME": name}, CALL, hold=True)
    query = Query(columns=("name",), filters=(("name", "~", "^(web-[0-9]|(a+)+!)$"),))
    assert bare.engine.vms.list(query).rows == [["web-1"]]
