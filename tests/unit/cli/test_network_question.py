"""The one question of a new network."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from nebula.cli.context import Context
from nebula.cli.options import GlobalOptions
from nebula.cli.verbs.network_question import asked
from nebula.errors import InterruptedByUser

if TYPE_CHECKING:
    from nebula.cli.context import Connect


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answered(monkeypatch: pytest.MonkeyPatch, typed: str, err: io.StringIO, **spec: Any) -> dict[str, Any]:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    return asked(Context(GlobalOptions(), cast("Connect", None), out=io.StringIO(), err=err), {"name": "lan", **spec})


@pytest.mark.parametrize(
    ("typed", "spec", "found"),
    [
        ("\n", {}, {"nat": True}),
        ("nat\n", {}, {"nat": True}),
        ("4\n3\n\n", {}, {"bridge": "br0"}),
        ("bridged\nvmbr1\n", {}, {"bridge": "vmbr1"}),
        ("2\n\n10.0.5.1/26\n", {}, {"routed": True, "gateway": "10.0.5.1", "prefix_length": "26"}),
        ("2\n", {"gateway": "10.0.5.1"}, {"routed": True}),
    ],
)
def test_an_answer_is_what_the_options_say(
    monkeypatch: pytest.MonkeyPatch, typed: str, spec: dict[str, Any], found: dict[str, Any]
) -> None:
    err = Terminal()
    assert answered(monkeypatch, typed, err, **spec) == found
    assert "How do guests on lan reach others?" in err.getvalue()


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    assert answered(monkeypatch, "1\n", err) == {}
    assert err.getvalue() == ""


def test_no_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InterruptedByUser):
        answered(monkeypatch, "", Terminal())
