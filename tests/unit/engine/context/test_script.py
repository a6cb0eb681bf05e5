"""context.sh, read by a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nebula.engine.context import render
from nebula.engine.context.script import MAX_SCRIPT
from nebula.errors import UsageError

NASTY = [
    "$(touch PWNED)",
    "`touch PWNED`",
    "'; touch PWNED; '",
    "\\",
    "'",
    "''",
    '"',
    "\n",
    "\r\n",
    "a'b\\'c",
    "${IFS}",
    "!x",
    "é漢🙂",
]
names = st.from_regex(r"MY_[A-Z0-9_]{0,12}", fullmatch=True)
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
values = st.one_of(st.text(characters, max_size=80), st.lists(st.sampled_from(NASTY), max_size=6).map("".join))


def _evaluated(script: bytes, variables: dict[str, str], shell: str, where: Path) -> dict[str, str]:
    # printf's argument cannot lose trailing newlines, as a command substitution would.
    show = "".join(f'printf "%s\\0" "${{{name}}}"\n' for name in variables)
    done = subprocess.run(
        [shell, "-e"],
        input=script + show.encode(),
        capture_output=True,
        check=True,
        cwd=where,
        timeout=20,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == b""
    return dict(zip(variables, done.stdout.decode().split("\0")[:-1], strict=True))


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=60, deadline=None)
@example(variables={f"MY_{number}": text for number, text in enumerate(NASTY)})
@given(variables=st.dictionaries(names, values, max_size=8))
def test_a_shell_gets_the_values_back_and_runs_nothing(
    tmp_path_factory: pytest.TempPathFactory, shell: str, variables: dict[str, str]
) -> None:
    where = tmp_path_factory.getbasetemp() / f"empty-{shell}"
    where.mkdir(exist_ok=True)
    assert _evaluated(render(variables), variables, shell, where) == variables
    assert list(where.iterdir()) == []


def test_the_form_is_opennebulas() -> None:
    assert render({"A": "it's", "B": "2"}).decode().splitlines()[1:] == ["A='it'\\''s'", "B='2'"]
    assert render({}).startswith(b"#")


@pytest.mark.parametrize("name", ["MOUNT_DIR", "LOCK_FILE", "SCRIPTS_DIR", "ONE_VARS"])
def test_variables_of_one_contexts_own_scripts_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="one-context") as caught:
        render({name: "/home"})
    assert caught.value.hint == f"call it MY_{name}"


@pytest.mark.parametrize(
    "name", ["", "1A", "A B", "A;touch x", "A=B", "É", "A\n", "A" * 129, "PATH", "BASH_ENV", "LD_PRELOAD", "UID", "IFS"]
)
def test_names_that_would_do_more_than_name_are_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        render({name: "x"})
    assert caught.value.hint


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * MAX_SCRIPT])
def test_values_that_cannot_be_carried_are_refused(value: str) -> None:
    with pytest.raises(UsageError):
        render({"A": value})


def test_scripts_of_one_context_have_the_values_in_their_environment(tmp_path: Path) -> None:
    """It sources the file in bash and exports every name that begins a line, also one within a value."""
    told = {f"MY_{number}": text for number, text in enumerate([*NASTY, "first\nPATH=evil\n1X=y\nMY_0=other\nend"])}
    (tmp_path / "context.sh").write_bytes(render(told))
    script = """names=$(grep -E '^[a-zA-Z0-9_-]*=' context.sh | sed 's/=.*$//'); . ./context.sh
for name in $names; do export "$name" 2>/dev/null; done; env -0"""
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, check=True, timeout=20, env={"PATH": "/usr/bin:/bin"}
    )
    environment = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if "=" in line)
    assert {name: environment.get(name) for name in told} == told
    assert environment["PATH"] == "/usr/bin:/bin"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context.sh"]
