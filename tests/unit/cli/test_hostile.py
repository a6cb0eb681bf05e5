"""Every command with absurd words: one clear error, an exit status of the list, nothing changed, no traceback."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebula.cli import table
from nebula.cli.command import Command, Option, options_of

from .conftest import Cli, InProcess, Result

STATUSES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}
COMMANDS = [command for noun in ("", *(noun.name for noun in table.NOUNS)) for command in table.commands(noun)]
LASTING = {"event follow", "daemon run", "daemon install", "daemon uninstall", "host scan", "demo", "vm ssh", "completion"}
"""They follow for ever, change this machine, or speak to others; `host add` is only tried dry."""
ENDLESS = {"--watch", "--follow", "--web", "--timeout", "--home", "--debug"}
"""Options that follow or serve for ever, and two that are no command's own."""
ABSURD = [
    "", " ", "-", "--", "0", "-1", "999999999999999999999999999999", "1..3", "5..1", "1,2,,3", "*", "web-*", "web-1", "lan",
    "linux", "a'b", 'a"b', "a\nb", "a\tb", "$(reboot)", "`id`", "../../etc/passwd", "/dev/zero", "-rf", "a\u202eb", "\u0663",
    "\x1b[2J", "\udcff", "x" * 10_000, "NaN", "1e9T", "2G2", "0.1", "9999", "=", "a=", "=b", "a=b", "name~(", "memory=>2G",
    "state=", "age<", "id>x", "None", "日本", "{}", "[]", "%s%n", "9" * 5000, "1.2.3.4", "::1", "host-1:x=y", "10.0.0.1-",
]  # fmt: skip
SENSELESS = ["no-such-thing", "--", "a'b", "\u202e", "x" * 5000, "", "9" * 30, "../x", "\x1b]0;x\x07"]


def _words(option: Option) -> st.SearchStrategy[list[str]]:
    if option.kind == "flag":
        return st.just([option.name])
    values = st.sampled_from([word for word in ABSURD if word != "-"])
    return st.one_of(values.map(lambda value: [option.name, value]), values.map(lambda value: [f"{option.name}={value}"]))


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A line of absurd words that may change something, dry, or of words that mean nothing."""
    command: Command = draw(st.sampled_from([command for command in COMMANDS if command.path not in LASTING]))
    options = [item for item in options_of(command) if item.name not in ENDLESS]
    pieces = draw(st.lists(st.sampled_from(options).flatmap(_words), max_size=4)) if options else []
    places = draw(st.lists(st.sampled_from(ABSURD if command.changes else SENSELESS), max_size=3))
    tail = ["--dry-run"] if command.changes else []
    return [*command.path.split(), *tail, *(word for piece in pieces for word in piece), *places]


def check(result: Result) -> None:
    """What holds of every answer."""
    assert result.status in STATUSES, result
    assert "Traceback" not in result.err
    assert "a fault in itself" not in result.err
    assert "\x1b" not in result.err + result.out
    errors, hints = result.err.count("error: "), result.err.count("hint: ")
    assert errors <= hints, result.err
    assert len(result.err) < 200_000


@pytest.fixture(scope="module")
def quiet_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where files with absurd names may be made."""
    return tmp_path_factory.mktemp("cwd")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=lines())
def test_absurd_words(
    cli: Cli, connect: InProcess, quiet_place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(quiet_place)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    before = _everything(cli)
    check(cli(*words))
    assert _everything(cli) == before


REFERRING = [
    command for command in COMMANDS if command.arguments and command.arguments[0].name in {"ref", "refs", "job", "jobs"}
]


@pytest.mark.parametrize("command", [command for command in REFERRING if command.path != "vm ssh"], ids=lambda item: item.path)
def test_words_that_mean_nothing(cli: Cli, command: Command, quiet_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quiet_place)
    before = _everything(cli)
    for word in SENSELESS:
        result = cli(*command.path.split(), *[word] * len(command.arguments))
        check(result)
        assert result.status in {2, 3}, result
    assert _everything(cli) == before


def _everything(cli: Cli) -> list[str]:
    """What people can have changed."""
    shown = {"vm": "id,name,state,memory,host,ip", "host": "id,name,state,cpu_max,memory_max,cluster", "image": "id,name,state"}
    shown |= {"network": "id,name,leases,size", "datastore": "id,name", "cluster": "id,name,hosts"}
    return [cli(noun, "list", "-f", "csv", "-c", columns).out for noun, columns in shown.items()] + [
        cli("job", "list", "-f", "csv", "-c", "id,kind,state").out
    ]
