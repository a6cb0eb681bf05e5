"""Both parsers read the same table and must agree on every line that the fast one takes."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.cli import fastparse, table, typerfront
from nebula.cli.command import GLOBALS, Command, Option, options_of
from nebula.cli.entry import handler
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.errors import UsageError

COMMANDS = [command for noun in ("", *(noun.name for noun in table.NOUNS)) for command in table.commands(noun)]
WORDS = st.sampled_from(["web", "7", "12..20", "db*", "state=RUNNING", "memory>2G", "-", "a b", "ü", "", "--", "name~^web"])


def _option(option: Option) -> st.SearchStrategy[list[str]]:
    names = st.sampled_from([name for name in (option.name, option.short) if name])
    if option.kind == "flag":
        return names.map(lambda name: [name])
    values = st.sampled_from(option.choices) if option.choices else st.sampled_from(["1", "12", "-name", "a=b", "-5", "x y"])
    joined = values.map(lambda value: [f"{option.name}={value}"])
    return st.one_of(st.tuples(names, values).map(list), joined)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A line that may well be right."""
    command: Command = draw(st.sampled_from(COMMANDS))
    leading = draw(st.lists(st.sampled_from(GLOBALS).flatmap(_option), max_size=2))
    middle = draw(st.lists(st.sampled_from(GLOBALS).flatmap(_option), max_size=1))
    pieces = draw(
        st.lists(st.one_of(WORDS.map(lambda word: [word]), st.sampled_from(options_of(command)).flatmap(_option)), max_size=6)
    )
    words = [word for piece in leading for word in piece]
    if command.noun:
        words += [command.noun, *(word for piece in middle for word in piece)]
    return [*words, command.name, *(word for piece in pieces for word in piece)]


def _read(parse: object, words: list[str]) -> object:
    try:
        return parse(words)  # type: ignore[operator]
    except UsageError as error:
        return type(error)


@settings(max_examples=600, deadline=None)
@given(lines())
def test_the_parsers_agree(words: list[str]) -> None:
    quick = _read(fastparse.parse, words)
    if quick is not None:
        assert _read(typerfront.parse, words) == quick


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_every_example_is_a_line_that_both_parsers_take(command: Command) -> None:
    words = shlex.split(command.example.partition(" > ")[0])[1:]
    quick = fastparse.parse(words)
    assert isinstance(quick, Invocation)
    assert quick.command == command
    assert typerfront.parse(words) == quick


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_every_command_has_a_handler_and_distinct_options(command: Command) -> None:
    assert callable(handler(Invocation(command, {}, GlobalOptions())))
    names = [name for option in options_of(command) for name in (option.name, option.short) if name]
    assert len(names) == len(set(names))
    keys = [option.key for option in options_of(command)] + [argument.name for argument in command.arguments]
    assert len(keys) == len(set(keys))
    assert command.help.endswith(".")


@pytest.mark.parametrize("words", [["vm", "list", "--help"], ["-h"], ["vm"], [], ["vm", "list", "-fjson"], ["vm", "lst"]])
def test_help_and_mistakes_are_left_to_typer(words: list[str]) -> None:
    assert fastparse.parse(words) is None


def test_global_options_stand_anywhere_and_the_last_wins() -> None:
    for words in (["--home", "/a", "vm", "list"], ["vm", "--home=/a", "list"], ["vm", "list", "--home", "/a"]):
        line = fastparse.parse(words)
        assert line is not None
        assert line.options.home == "/a"
    line = fastparse.parse(["--home", "/a", "-q", "vm", "list", "--home", "/b"])
    assert line is not None
    assert (line.options.home, line.options.quiet) == ("/b", True)


def test_daemon_and_version_flags_are_commands() -> None:
    daemon, version = typerfront.parse(["--daemon", "--home", "/a"]), typerfront.parse(["--version"])
    assert isinstance(daemon, Invocation)
    assert isinstance(version, Invocation)
    assert (daemon.command.path, daemon.options.home) == ("daemon run", "/a")
    assert version.command.path == "version"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["vm", "lst"], "lst"),
        (["vm", "list", "--colums", "x"], "--colums"),
        (["vm", "rename"], "REF"),
        (["vm", "list", "-f", "xml"], "xml"),
        (["vm", "list", "--limit", "many"], "many"),
    ],
)
def test_mistakes_are_usage_errors_with_a_hint(words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        fastparse.parse(words) or typerfront.parse(words)
    assert caught.value.hint


def test_help_shows_arguments_options_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert typerfront.parse(["vm", "poweroff", "--help"]) == 0
    shown = capsys.readouterr().out
    for text in ("REFS", "--hard", "--no-wait", "--dry-run", "nebula vm poweroff web"):
        assert text in shown


def test_the_list_of_verbs_cuts_no_sentence_off(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["vm", "--help"], ["network", "--help"]):
        assert typerfront.parse(words) == 0
        assert "..." not in capsys.readouterr().out.replace("[ARGS]...", "")
