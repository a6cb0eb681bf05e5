"""Tables, values and text for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.cli.output.formats import Field, Table, grid
from nebula.cli.output.grid import Grid
from nebula.cli.output.text import printable, shorten, width
from nebula.cli.output.tree import tree
from nebula.cli.output.values import human, machine

TEXT = st.text(max_size=30)
NOW = 1_000_000.0


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=5), st.integers(20, 120))
def test_a_table_never_is_wider_than_its_terminal(rows: list[list[str]], terminal: int) -> None:
    fields = [Field("a", "ALPHA"), Field("b", "BETA"), Field("c", "GAMMA")]
    for line in grid(Table(fields, rows), NOW).lines(terminal):
        assert width(line) <= terminal
        assert line.isprintable()


def test_in_a_pipe_nothing_is_cut() -> None:
    long = "x" * 500
    assert list(Grid(["A", "B"], [[long, "y"]], frozenset()).lines(0))[1] == f"{long}  y"


def test_numbers_stand_at_the_right_and_columns_without_room_go() -> None:
    lines = list(Grid(["NAME", "SIZE"], [["a", "1"], ["b", "22"]], frozenset({1})).lines(80))
    assert lines == ["NAME  SIZE", "a        1", "b       22"]
    assert list(Grid(["NAME", "SIZE"], [["a" * 9, "1"]], frozenset({1})).lines(12)) == ["NAME", "a" * 9]


def test_states_are_coloured_only_when_wanted() -> None:
    table = Table([Field("state", "STATE", "state")], [[3003]])
    assert list(grid(table, NOW).lines()) == ["STATE", "RUNNING"]
    assert "\x1b[32mRUNNING\x1b[0m" in list(grid(table, NOW).lines(coloured=True))[1]


@given(TEXT)
def test_printable_text_obeys_no_terminal(text: str) -> None:
    assert printable(text).isprintable()


@given(TEXT, st.integers(0, 40))
def test_shortened_text_fits(text: str, columns: int) -> None:
    assert width(shorten(printable(text), columns)) <= columns


@pytest.mark.parametrize(
    ("show", "value", "people", "program"),
    [
        ("state", 3003, "RUNNING", "RUNNING"),
        ("state", 8000, "POWEROFF", "POWEROFF"),
        ("state", 99000, "STATE 99000", "STATE 99000"),
        ("host_state", 2, "MONITORED", "MONITORED"),
        ("image_state", 1, "READY", "READY"),
        ("cpu", 50, "0.5", 0.5),
        ("cpu", -1, "-", None),
        ("mib", 2048, "2.0G", 2048),
        ("bytes", 1 << 30, "1.0G", 1 << 30),
        ("age", NOW - 3840, "1h4m", NOW - 3840),
        ("age", 0.0, "-", None),
        ("bool", 1, "yes", True),
        ("number", 7, "7", 7),
        ("text", "a\x1b[2Jb", "a�[2Jb", "a\x1b[2Jb"),
        ("text", None, "-", None),
        ("percent", 41.6, "42%", 41.6),
    ],
)
def test_values(show: str, value: object, people: str, program: object) -> None:
    assert human(show, value, NOW) == people
    assert machine(show, value) == program


def test_a_tree_is_aligned_and_leaves_empty_values_out() -> None:
    body = {
        "name": "web", "host": None, "labels": [], "addresses": ["10.0.0.1", "10.0.0.2"], "autostart": True,
        "disks": [{"disk_id": 0, "size": 5}], "reserved": {"cpu": ""}, "template": {"CONTEXT": {"A": "1\n2"}},
    }  # fmt: skip
    assert list(tree(body)) == [
        "name       web",
        "addresses  10.0.0.1, 10.0.0.2",
        "autostart  yes",
        "disks:",
        "  - disk_id  0",
        "    size     5",
        "template:",
        "  CONTEXT:",
        "    A  1",
        "       2",
    ]
