"""Tables, values and text for people."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nebula.cli.output.formats import Field, Table, grid, render
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
        "disks": [{"disk_id": 0, "size": 5 << 20}],
        "memory_mib": 512, "cpu_mib": {"total": 2048, "name": "x"}, "reserved": {"cpu": ""},
        "template": {"CONTEXT": {"A": "1\n2"}},
    }  # fmt: skip
    assert list(tree(body)) == [
        "name       web",
        "addresses  10.0.0.1, 10.0.0.2",
        "autostart  yes",
        "disks:",
        "  - disk_id  0",
        "    size     5.0M",
        "memory     512.0M",
        "cpu:",
        "  total  2.0G",
        "  name   x",
        "template:",
        "  CONTEXT:",
        "    A  1",
        "       2",
    ]


OUTSIDE = st.text(max_size=30) | st.sampled_from(
    ["=1+1", "@x", "a\x9b2Jb", "a\u202eb", "a\x1b]0;x\x07", "\U000e0001", '"', "a,b", "-2"]
)


@given(st.lists(st.tuples(OUTSIDE, OUTSIDE), min_size=1, max_size=4))
def test_words_from_outside_obey_no_terminal_in_any_format(rows: list[tuple[str, str]]) -> None:
    table = Table([Field("name", "NAME"), Field("reason", "REASON")], rows)
    texts = {name: "\n".join(render(table, name, NOW)) for name in ("table", "json", "jsonl", "yaml", "csv", "name")}
    for name, text in texts.items():
        assert all(line.isprintable() for line in text.split("\n")), (name, text)
    wanted = [{"name": name, "reason": reason} for name, reason in rows]
    assert json.loads(texts["json"]) == wanted
    assert [json.loads(line) for line in texts["jsonl"].split("\n")] == wanted
    assert yaml.safe_load(texts["yaml"]) == wanted
    read = list(csv.reader(io.StringIO(texts["csv"])))
    assert read[0] == ["name", "reason"]
    assert len(read) == len(rows) + 1
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in read for cell in row)


def test_what_a_backup_takes_and_when_it_was_looked_at_are_shown_as_people_read_them() -> None:
    assert list(tree({"stored": 3 << 20, "verified": 0.0})) == ["stored    3.0M", "verified  -"]
