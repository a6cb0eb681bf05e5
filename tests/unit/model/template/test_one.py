"""OpenNebula's template syntax, both ways."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.model.template import LARGEST, Template, parse_one, print_one
from nebula.model.template.values import LONGEST, MOST
from tests.unit.model.template.strategies import sayable, templates

REAL = """
# A template as people write them
NAME   = "web server"
cpu    = 0.5
MEMORY = 2048

DISK = [ IMAGE = "debian 12", SIZE=10240,
  # what it is made of
  DEV_PREFIX = vd ]
DISK = [ TYPE = swap, SIZE = 1024 ]
NIC  = []
CONTEXT = [
  NETWORK = "YES",
  START_SCRIPT = "#!/bin/sh
echo \\"hello\\" > /tmp/x; ls C:\\new",
  SSH_PUBLIC_KEY = "$USER[SSH_PUBLIC_KEY]" ]
DESCRIPTION =
EMPTY = ""
LABELS = a"b
SCHED_REQUIREMENTS="CPU_MODEL=\\"x\\" & !(A>1)"
"""


def test_a_real_template() -> None:
    assert parse_one(REAL) == {
        "NAME": "web server",
        "CPU": "0.5",
        "MEMORY": "2048",
        "DISK": [{"IMAGE": "debian 12", "SIZE": "10240", "DEV_PREFIX": "vd"}, {"TYPE": "swap", "SIZE": "1024"}],
        "NIC": {},
        "CONTEXT": {
            "NETWORK": "YES",
            "START_SCRIPT": '#!/bin/sh\necho "hello" > /tmp/x; ls C:\\new',
            "SSH_PUBLIC_KEY": "$USER[SSH_PUBLIC_KEY]",
        },
        "DESCRIPTION": "",
        "EMPTY": "",
        "LABELS": 'a"b',
        "SCHED_REQUIREMENTS": 'CPU_MODEL="x" & !(A>1)',
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("# nothing\n  # at all", {}),
        ("A=1 B=2", {"A": "1", "B": "2"}),
        ("A=1\r\nB=\r\nC=3\r\n", {"A": "1", "B": "", "C": "3"}),
        ("A=", {"A": ""}),
        ("A=[B=]", {"A": {"B": ""}}),
        ("A=[B=,C=1]", {"A": {"B": "", "C": "1"}}),
        ("A=[B=\n1]", {"A": {"B": "1"}}),
        ("A=1\nA=[B=2]\na=3", {"A": ["1", {"B": "2"}, "3"]}),
        ('A="\\\\"" ', {"A": '\\"'}),
        ("A=C:\\", {"A": "C:\\"}),
        ("A=-1.5e3/x:y;(z)", {"A": "-1.5e3/x:y;(z)"}),
        ('A="]]>"', {"A": "]]>"}),
        ("12=3", {"12": "3"}),
    ],
)
def test_corners(text: str, found: Template) -> None:
    assert parse_one(text) == found
    assert parse_one(print_one(parse_one(text))) == found


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("A", "line 1, column 2", "= is missing"),
        ("A = 1\nB 2", "line 2, column 3", "= is missing"),
        ("A = my server", "line 1, column 14", "= is missing"),
        ('A="x', "line 1, column 3", "never closed"),
        ("A=1\n B = [ C=1,\nD=2", "line 2, column 6", "never closed"),
        ("A=[B=1 C=2]", "line 1, column 8", "comma"),
        ("A=[B=1,]", "line 1, column 8", "missing behind the last comma"),
        ("A=[B=[C=1]]", "line 1, column 6", "cannot begin with '['"),
        ("A=[B=1,B=2]", "line 1, column 8", "twice"),
        ("A=1 # not here", "line 1, column 5", "comment"),
        ("A=1\n=2", "line 2, column 1", "a name is expected"),
        ("A=\n[B=1]", "line 2, column 1", "a name is expected"),
        ("Ä=1", "line 1, column 1", "a name is expected"),
        ("A=\x00", "line 1, column 3", "character"),
        (f"{'A' * 200}=1", "line 1, column 1", "characters"),
        (f"A={'x' * (LONGEST + 1)}", "line 1, column 3", "more than 256 KiB"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, where: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_one(text, "web.one")
    assert caught.value.message.startswith(f"web.one, {where}: ")
    assert why in caught.value.message
    assert caught.value.hint


def test_there_are_limits() -> None:
    for text in ("A" * (LARGEST + 1), "A=1\n" * (MOST + 1), f"A=[{','.join(f'B{n}=1' for n in range(MOST + 1))}]"):
        with pytest.raises(UsageError):
            parse_one(text)
    assert len(parse_one("A=1\n" * MOST)["A"]) == MOST


def test_what_the_syntax_cannot_say_is_refused() -> None:
    with pytest.raises(UsageError, match="A/B ends in a backslash"):
        print_one({"A": {"B": "C:\\my files\\"}})


@given(templates())
def test_what_is_written_reads_the_same(template: Template) -> None:
    said = {name: value for name, value in template.items() if sayable(value)}
    assert parse_one(print_one(said)) == said


@given(st.one_of(st.text(max_size=200), st.text('AB=[],"\\# \n\t\r', max_size=200)))
def test_nothing_that_is_read_crashes_or_is_lost(text: str) -> None:
    with suppress(UsageError):
        found = parse_one(text)
        assert parse_one(print_one(found)) == found
