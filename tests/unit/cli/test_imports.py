"""Hot commands load little: looked at in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nebula.engine.local.engine import own

from .conftest import InProcess, runner

HEAVY = {"asyncio", "asyncssh", "libvirt", "numpy", "textual", "rich", "httpx", "typer", "yaml", "psutil"}
_PROGRAM = """
import json, sys
from nebula.cli.entry import main
status = main(sys.argv[1:])
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a few VMs that nobody owns any more."""
    path = tmp_path_factory.mktemp("cold")
    engine = own(path, "command")
    assert engine is not None
    assert runner(InProcess(engine))("demo", "--home", str(path), "--hosts", "1", "--vms", "2").status == 0
    engine.close()
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["vm", "list"],
        ["vm", "list", "state=RUNNING", "-f", "json"],
        ["host", "list", "-f", "wide"],
        ["__complete", "vm", "poweroff", ""],
        ["version"],
    ],
    ids=" ".join,
)
def test_what_a_hot_command_must_not_load(home: Path, words: list[str]) -> None:
    environment = {"NEBULA_HOME": str(home), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    status, loaded = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    assert done.stdout
    assert not HEAVY.intersection(loaded)
    if "list" in words:
        assert "msgspec" not in loaded


def test_completion_of_verbs_does_not_even_load_the_engines_values() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "__complete", "vm", ""],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "list\tList VMs." in done.stdout
    assert not (HEAVY | {"msgspec", "sqlite3"}).intersection(json.loads(done.stderr.splitlines()[-1])[1])
