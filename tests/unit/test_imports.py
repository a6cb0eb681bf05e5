"""The commands that people and shells run all the time load and open nothing that they do not need.

Milliseconds depend on the machine; what is in `sys.modules`, and which files are opened, does not.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("asyncio", "asyncssh", "httpx", "libvirt", "numpy", "re2", "rich", "textual")
UNNEEDED = (
    "dataclasses", "hashlib", "inspect", "logging", "msgspec", "nebula.engine.lifecycle.states", "pathlib", "peewee", "socket",
    "subprocess", "tempfile", "threading", "typer",
)  # fmt: skip
"""What alone costs some milliseconds, and is for those who change something or made a mistake."""
ROOT = Path(__file__).parents[2]
PROBE = f"""
import sys
sys.path += {[str(ROOT), *site.getsitepackages()]!r}
opened = []
sys.addaudithook(lambda event, given: event == "open" and opened.append(str(given[0])))
from nebula.cli.entry import main
try:
    status = main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
print("OPENED", *opened, file=sys.stderr)
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
    """Run the program in a fresh interpreter that tells what it loaded, started as the one file starts it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NEBULA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, *argv],
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


PLAIN = {name: argv for name, argv in HOT.items() if name != "help"}
OURS = {"version": 20, "completion of a verb": 22, "tui": 90}
"""How many modules of our own a command may load, 40 if it is not named here: each is a file to find and to read."""


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_command_loads_little(home: Path, name: str) -> None:
    loaded = set(command(home, PLAIN[name]).stderr.rpartition("MODULES ")[2].split())
    assert loaded.isdisjoint(UNNEEDED), f"{name} loads {', '.join(sorted(loaded & set(UNNEEDED)))}"
    ours = sorted(module for module in loaded if module.partition(".")[0] == "nebula")
    assert len(ours) <= OURS.get(name, 40), ours


@pytest.mark.parametrize(
    ("name", "looks"), [("version", 0), ("completion of a verb", 0), ("vm list", 1), ("completion of a name", 1)]
)
def test_a_plain_command_opens_nothing_of_the_home_but_owner_and_database(home: Path, name: str, looks: int) -> None:
    said = command(home, PLAIN[name]).stderr
    opened = said.rpartition("OPENED ")[2].partition("\nMODULES")[0].split()
    assert [path for path in opened if path.startswith(str(home))] == [str(home / "owner")] * looks
    elsewhere = [path for path in opened if not path.startswith((str(home), str(ROOT), sys.base_prefix, sys.prefix))]
    assert elsewhere == []


def test_the_program_runs_without_libvirts_library(home: Path) -> None:
    hidden = f"import sys; sys.modules['libvirt'] = None\n{PROBE}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", hidden, "vm", "list"],
        env={"PATH": os.environ["PATH"], "NEBULA_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


LATER = (
    "nebula.cli.report", "nebula.cli.table.network", "nebula.engine.lifecycle.table", "nebula.engine.local",
    "nebula.tui.chooser", "nebula.tui.dialog", "nebula.tui.doing",
    "nebula.tui.logpage", "nebula.tui.overview", "nebula.tui.running", "numpy", "peewee", "pygments", "rich.syntax",
    "rich.traceback", "textual_plot", "textual.widgets._data_table", "textual.widgets._markdown",
    "textual.widgets._text_area", "tree_sitter",
)  # fmt: skip
"""What a list's first rows do not need: dialogs, charts, other screens, what may be done, the engine."""


def test_the_dashboards_first_rows_load_no_more_than_they_need(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nebula", "--home", str(home), "tui", "vm"],
        env={"PYTHONPATH": str(ROOT), "HOME": str(home), "TEXTUAL_DRIVER": "tests.support.first_rows:FirstRows"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "nebula.tui.app" in loaded, done.stdout
    assert loaded.isdisjoint(LATER), sorted(loaded & set(LATER))
    ours = [name for name in loaded if name.partition(".")[0] == "nebula"]
    assert len(ours) <= OURS["tui"], sorted(ours)
    assert len(loaded) <= 500, "most of what a first paint costs is importing"
