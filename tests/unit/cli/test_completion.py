"""What TAB offers."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from nebula.cli.completion.candidates import candidates, locate
from nebula.cli.completion.scripts import SCRIPTS

from .conftest import Cli, InProcess


def offered(connect: InProcess, *words: str) -> list[str]:
    """The words offered for the last of them."""
    return [found.word for found in candidates(locate(words[:-1]), words[-1], connect)]


def test_nouns_verbs_and_options(connect: InProcess) -> None:
    assert {"vm", "host", "status", "completion"} <= set(offered(connect, ""))
    assert offered(connect, "vm", "mig") == ["migrate"]
    assert offered(connect, "vm", "migrate", "--l") == ["--live"]
    assert offered(connect, "--home", "/x", "vm", "desc") == ["describe"]
    assert "--memory" in offered(connect, "vm", "create", "--m")
    assert offered(connect, "frob", "x", "") == offered(connect, "")


def test_values(connect: InProcess) -> None:
    assert offered(connect, "vm", "list", "-f", "j") == ["json", "jsonl"]
    assert offered(connect, "completion", "z") == ["zsh"]
    assert offered(connect, "vm", "wait", "web-1", "RUNN") == ["RUNNING"]
    assert "memory=" in offered(connect, "vm", "list", "mem")
    assert offered(connect, "vm", "create", "--ssh-key", "") == []


def test_live_names_only_of_vms_that_allow_the_verb(connect: InProcess, cli: Cli) -> None:
    assert offered(connect, "vm", "resume", "") == []
    assert cli("vm", "poweroff", "db-1").status == 0
    assert offered(connect, "vm", "resume", "") == ["db-1"]
    assert "db-1" not in offered(connect, "vm", "poweroff", "")
    assert "db-1" not in offered(connect, "vm", "console", "")
    assert "web-1" in offered(connect, "vm", "console", "")
    assert offered(connect, "vm", "show", "db") == ["db-1"]
    assert offered(connect, "vm", "show", "db-1", "db") == []
    assert offered(connect, "vm", "migrate", "web-1", "--host", "host-") == ["host-1", "host-2"]
    assert offered(connect, "vm", "create", "--image", "") == ["linux"]
    assert "1" in offered(connect, "job", "wait", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_sound(cli: Cli, shell: str) -> None:
    result = cli("completion", shell)
    assert result.status == 0
    assert result.out.rstrip("\n") == SCRIPTS[shell].rstrip("\n")
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=SCRIPTS[shell], capture_output=True, text=True, timeout=30, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_really_completes() -> None:
    script = (
        SCRIPTS["bash"]
        + r"""
nebula() { printf 'poweroff\tPower VMs off\npower on\t\n'; }
COMP_WORDS=(nebula vm po) COMP_CWORD=2
_nebula
printf '%s\n' "${COMPREPLY[@]}"
"""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["poweroff", "power\\ on"]


def test_an_unknown_shell_is_a_usage_error(cli: Cli) -> None:
    assert cli("completion", "tcsh").status == 2
