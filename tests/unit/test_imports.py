"""The commands that people and shells run all the time load nothing that they do not need.

Milliseconds depend on the machine; what is in `sys.modules` does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("asyncio", "asyncssh", "httpx", "libvirt", "numpy", "rich", "textual")
ROOT = Path(__file__).parents[2]
PROBE = """
import sys
from nebula.cli.entry import main
try:
    status = main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
print("MODULES", *sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""
HOT = {
    "version": ["--version"],
    "help": ["--help"],
    "vm list": ["vm", "list"],
    "vm list as JSON": ["vm", "list", "-f", "json"],
    "host list": ["host", "list"],
    "image list": ["image", "list"],
    "network list": ["network", "list"],
    "completion of a verb": ["__complete", "vm", ""],
    "completion of a name": ["__complete", "vm", "show", ""],
}
"""What is typed most, and by shells for us. `host list` and the others read the home's file: no engine runs here."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that exists, so that reading it makes nothing."""
    place = tmp_path_factory.mktemp("home")
    assert command(place, ["vm", "list"]).returncode == 0
    return place


def command(home: Path, argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the program in a fresh interpreter that tells what it loaded."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NEBULA_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("argv", HOT.values(), ids=HOT.keys())
def test_a_hot_command_loads_nothing_heavy(home: Path, argv: list[str]) -> None:
    done = command(home, argv)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.rpartition("MODULES ")[2].split())
    assert "nebula.cli.entry" in loaded
    assert loaded.isdisjoint(HEAVY), f"{' '.join(argv)} loads {', '.join(sorted(loaded & set(HEAVY)))}"


def test_the_program_runs_without_libvirts_library(home: Path) -> None:
    hidden = f"import sys; sys.modules['libvirt'] = None\n{PROBE}"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "vm", "list"],
        env={"PATH": os.environ["PATH"], "NEBULA_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
