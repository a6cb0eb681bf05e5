"""NOUN list: formats, columns, conditions, and what goes where."""

from __future__ import annotations

import csv
import io
import json
from typing import cast

import pytest
import yaml

from nebula.cli import entry, table
from nebula.cli.context import Connect, Context
from nebula.cli.options import GlobalOptions
from nebula.engine.api.tables import Listing, Query

from .conftest import Cli

NAMES = ["web-1", "db-1", "cache-1", "mail-1", "build-1", "git-1"]


def test_the_table_has_a_header_and_aligned_numbers(cli: Cli) -> None:
    result = cli("vm", "list", "-c", "id,name,memory,state")
    assert result.status == 0
    assert result.err == ""
    assert result.lines[0].split() == ["ID", "NAME", "MEMORY", "STATE"]
    assert [line.split()[1] for line in result.lines[1:]] == NAMES
    assert result.lines[1].split()[2:] == ["512.0M", "RUNNING"]
    assert {line.index("M ") for line in result.lines[1:] if "512.0M" in line} == {result.lines[0].index("Y ")}


def test_programs_get_raw_values_of_the_same_rows(cli: Cli) -> None:
    columns = ("-c", "id,name,memory,cpu,disk,state,created,autostart")
    rows = json.loads(cli("vm", "list", "-f", "json", *columns).out)
    assert rows[0] | {"created": 0} == {
        "id": 1,
        "name": "web-1",
        "memory": 512,
        "cpu": 0.5,
        "disk": 2 << 30,
        "state": "RUNNING",
        "created": 0,
        "autostart": False,
    }
    assert yaml.safe_load(cli("vm", "list", "-f", "yaml", *columns).out) == rows
    assert [json.loads(line) for line in cli("vm", "list", "-f", "jsonl", *columns).lines] == rows
    read = list(csv.DictReader(io.StringIO(cli("vm", "list", "-f", "csv", *columns).out)))
    assert [row["name"] for row in read] == NAMES
    assert read[0]["memory"] == "512"


def test_names_only(cli: Cli) -> None:
    assert cli("vm", "list", "-f", "name").lines == NAMES


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["name=web*"], ["web-1"]),
        (["name~^(web|db)"], ["web-1", "db-1"]),
        (["memory>600M"], ["db-1", "mail-1", "git-1"]),
        (["state=RUNNING", "name!=git-1", "memory>600M"], ["db-1", "mail-1"]),
        (["state=running", "id<=2"], ["web-1", "db-1"]),
        (["--sort", "-name", "--limit", "2"], ["web-1", "mail-1"]),
        (["--sort", "memory,-id", "--limit", "1"], ["build-1"]),
        ([" memory > 600M", "name == db*"], ["db-1"]),
        (["age<1h", "id<3"], ["web-1", "db-1"]),
        (["age>1h"], []),
        (["created>2001-02-03", "created<2999-01-01", "id=1"], ["web-1"]),
        (["created<2001-02-03 04:05"], []),
        (["alarm=", "id<3"], ["web-1", "db-1"]),
        (["job!=77", "id<3"], ["web-1", "db-1"]),
        (["id=1,3..4"], ["web-1", "cache-1", "mail-1"]),
        (["id!=2..6"], ["web-1"]),
        (["memory=600M..2G", "cpu=0.4..0.6"], ["db-1", "mail-1", "git-1"]),
        (["name=web-1..db-1"], []),
    ],
)
def test_conditions_and_order(cli: Cli, words: list[str], names: list[str]) -> None:
    assert cli("vm", "list", "-f", "name", *words).lines == names


@pytest.mark.parametrize(("format_name", "out"), [("json", "[]"), ("yaml", "[]"), ("jsonl", ""), ("name", "")])
def test_an_empty_list_is_empty_data(cli: Cli, format_name: str, out: str) -> None:
    assert cli("vm", "list", "-f", format_name, "name=nobody") == (0, out + "\n" * bool(out), "")


def test_an_empty_table_says_so_on_stderr(cli: Cli) -> None:
    assert cli("vm", "list", "name=nobody") == (0, "", "no vms\n")
    assert cli("vm", "list", "-q", "name=nobody") == (0, "", "")


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "nmae"],
        ["nmae=x"],
        ["web"],
        ["--sort", "-nmae"],
        ["state=FLYING"],
        ["name~("],
        ["memory>much"],
        ["-f", "xml"],
        ["id=3.."],
    ],
)
def test_what_makes_no_sense_is_a_usage_error_with_a_hint(cli: Cli, words: list[str]) -> None:
    result = cli("vm", "list", *words)
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert "hint: " in result.err


def test_an_unknown_column_is_answered_with_those_there_are(cli: Cli) -> None:
    assert "columns: id, name, state" in cli("vm", "list", "-c", "nmae").err
    assert "did you mean at?" in cli("event", "list", "time=3").err, "by what stands above it"


class Measured:
    """A list whose host data was measured at `as_of`, and whether an engine runs."""

    def __init__(self, as_of: float, *, running: bool) -> None:
        self._as_of, self._running = as_of, running

    def lister(self, _: GlobalOptions) -> tuple[Measured, bool]:
        """This."""
        return self, self._running

    def list(self, _: str, query: Query) -> Listing:
        """One row."""
        return Listing(query.columns, [[{"id": 1, "state": 3003}.get(name, "") for name in query.columns]], self._as_of)

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("as_of", "running", "said"), [(940.0, False, "1m"), (941.0, False, ""), (100.0, True, ""), (0.0, False, "")]
)
def test_old_host_data_is_announced_when_no_engine_runs(as_of: float, running: bool, said: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    way = cast("Connect", Measured(as_of, running=running))
    status = entry.run(["vm", "list", "-c", "id"], lambda options: Context(options, way, out=out, err=err, now=lambda: 1000.0))
    assert (status, out.getvalue()) == (0, "ID\n 1\n")
    assert err.getvalue() == (f"host data is {said} old: no engine runs (nebula --daemon keeps it fresh)\n" if said else "")


LISTED = [noun.name for noun in table.NOUNS if table.find(noun.name, "list")]


@pytest.mark.parametrize("noun", LISTED)
@pytest.mark.parametrize("format_name", ["table", "json", "yaml", "jsonl"])
def test_every_noun_lists_in_every_format(cli: Cli, noun: str, format_name: str) -> None:
    result = cli(noun, "list", "-f", format_name)
    assert result.status == 0, result.err
    assert result.out
