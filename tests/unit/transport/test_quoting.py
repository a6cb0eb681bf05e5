from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.transport.commands import CommandTransport
from nebula.transport.quoting import LIMIT, check_argv, shell_string

WORDS = st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40), max_size=8)
PRINT = ["printf", "%s\\0"]


def _words(output: bytes) -> list[str]:
    return output.decode().split("\0")[:-1]


@given(WORDS)
@settings(max_examples=40, deadline=None)
def test_shell_gives_the_words_back(words: list[str]) -> None:
    line = shell_string([*PRINT, "first", *words])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert _words(done.stdout) == ["first", *words]


@given(WORDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_argv_arrives_unchanged(transport: CommandTransport, words: list[str]) -> None:
    assert _words(transport.run([*PRINT, "first", *words]).stdout) == ["first", *words]


@pytest.mark.parametrize("argv", [[], [""], ["echo", "a\0b"], ["echo", "\ud800"], ["echo", "x" * LIMIT], "echo"])
def test_what_is_no_command_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        check_argv(argv)
    with pytest.raises(UsageError):
        shell_string(argv)


def test_quotes_count_towards_the_limit() -> None:
    argv = ["echo", "'" * (LIMIT // 2)]
    check_argv(argv)
    with pytest.raises(UsageError, match="cannot run 'echo'"):
        shell_string(argv)
