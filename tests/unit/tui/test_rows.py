"""Rows by key and in order."""

from __future__ import annotations

from nebula.engine.api.columns import SOURCES, VMS
from nebula.tui.cells import cell, room, seen
from nebula.tui.rows import Rows, natural
from nebula.tui.saying import told


def test_numbers_in_names_count() -> None:
    assert sorted(["web-10", "web-2", "Web-1"], key=natural) == ["Web-1", "web-2", "web-10"]


def test_rows_change_in_place_and_go() -> None:
    rows = Rows()
    rows.sort = 1
    assert rows.replace([[1, "b", None], [2, "a", 5], [3, "c", 1]]) == {1, 2, 3}
    assert list(rows.keys) == [2, 1, 3]
    assert rows.update([1, 2], [[1, "b", None]]) == {2}
    assert list(rows.keys) == [1, 3]
    assert rows.update([3], [[3, "a", 1]]) == {3}
    assert list(rows.keys) == [3, 1]
    rows.sort, rows.falling = 2, False
    rows.arrange()
    assert list(rows.keys) == [3, 1], "what is not known comes last"


def test_marks_go_with_their_rows() -> None:
    rows = Rows()
    rows.replace([[key] for key in range(1, 6)])
    rows.mark_between(3, 1)
    assert rows.chosen(5) == [2, 3, 4]
    rows.replace([[2], [5]])
    assert rows.chosen(5) == [2]
    rows.marked.clear()
    assert rows.chosen(5) == [5]
    assert rows.chosen(9) == []


def test_only_the_newest_are_kept() -> None:
    rows = Rows()
    rows.falling = True
    rows.replace([[key] for key in range(1, 6)])
    rows.keep_newest(2)
    assert list(rows.keys) == [5, 4]


def test_ages_say_seconds_only_while_they_matter() -> None:
    age = next(column for column in VMS.columns if column.name == "age")
    assert [cell(age, 1.0, 1.0 + seconds) for seconds in (12, 59, 60, 3372, 3900)] == ["10s", "50s", "1m", "56m", "1h5m"]


def test_the_order_is_made_anew_only_where_it_may_be_another_one() -> None:
    rows = Rows()
    rows.replace([(number, f"vm-{number}", "RUNNING") for number in range(5)])
    rows.sort = 1
    rows.arrange()
    before = rows.arranged
    assert rows.update([3], [(3, "vm-3", "POWEROFF")]) == {3}
    assert rows.arranged == before
    assert rows.row(3)[2] == "POWEROFF"
    assert rows.update([3], [(3, "a", "POWEROFF")]) == {3}
    assert rows.arranged == before + 1
    assert list(rows.keys) == [3, 0, 1, 2, 4]
    assert rows.update([3, 7], [(7, "b", "RUNNING")]) == {3, 7}
    assert list(rows.keys) == [7, 0, 1, 2, 4]


def test_with_little_room_texts_give_way_and_times_do_not() -> None:
    shown = [column for column in SOURCES["event"].columns if column.default]
    natural = [19 if column.show == "time" else 30 for column in shown]
    widths = room(shown, natural, 78)
    assert [wide for column, wide in zip(shown, widths, strict=True) if column.show == "time"] == [19]
    assert min(widths) < 19


def test_columns_give_way_in_their_order_as_far_as_they_must() -> None:
    columns = [column for column in VMS.columns if column.name in {"id", "name", "state", "cpu"}]
    natural = [4, 40, 10, 5]
    assert seen(columns, natural, (0, 3), 60) == [0, 1, 2, 3]
    assert seen(columns, natural, (0, 3), 44) == [1, 2, 3], "a text is read well enough with less than it would take"
    assert seen(columns, natural, (0, 3), 20) == [1, 2]


def test_an_event_says_what_it_is_about_and_why() -> None:
    assert told({"name": "a1", "after": "ERROR", "error": "no route"}) == "a1: ERROR  no route"
    assert told({"name": "web", "before": "BOOT", "after": "RUNNING", "reason": ""}) == "web: BOOT → RUNNING"
    failed = {"kind": "vm.deploy", "target": ["vm", 7], "error": {"message": "the disk is full"}}
    assert told(failed) == "vm.deploy of vm 7  the disk is full"
    assert told({"name": "web", "size": 3, "host": None}) == "web: size 3"
