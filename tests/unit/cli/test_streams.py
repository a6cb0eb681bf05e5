"""Streams that are closed, full, narrow or left by their reader, and every exit status, by real processes."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.support.sim import CALL, sim_engine

ROOT = Path(__file__).parents[3]
SECONDS = 60
UNWRITABLE = "error: stdout cannot be written to"
DATA = {
    "list": ("vm", "list"),
    "json": ("vm", "list", "-f", "json"),
    "show": ("vm", "describe", "web"),
    "version": ("--version",),
    "help": ("vm", "--help"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a VM that is on hold, and one of a long name."""
    place = tmp_path_factory.mktemp("home")
    with sim_engine(place) as sim:
        for name in ("web", "w" * 120):
            sim.engine.vms.create({"NAME": name}, CALL, hold=True)
    return place


def environment(home: Path, **more: str) -> dict[str, str]:
    """No more than a program needs."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "NEBULA_HOME": str(home), "PYTHONPATH": str(ROOT), **more}


def shell(home: Path, line: str, **more: str) -> tuple[int, str, str]:
    """Run a line of bash in which `nebula` is the program: status, stdout, stderr."""
    script = f'nebula() {{ "{sys.executable}" -m nebula "$@"; }}; set -o pipefail; {line}'
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment(home, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", DATA.values(), ids=DATA.keys())
def test_data_that_cannot_be_written_is_an_error(home: Path, words: tuple[str, ...], where: str, unbuffered: str) -> None:
    status, out, err = shell(home, f"nebula {' '.join(words)} {where}", PYTHONUNBUFFERED=unbuffered)
    assert (status, out) == (1, "")
    assert err.startswith(UNWRITABLE), err
    assert "Traceback" not in err


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_talk_that_cannot_be_said_changes_no_status(home: Path, where: str) -> None:
    assert shell(home, f"nebula vm show nobody {where}") == (3, "", "")


@pytest.mark.parametrize("words", ["vm create -f -", "apply -f -"])
def test_a_closed_stdin_is_an_empty_one(home: Path, words: str) -> None:
    status, out, err = shell(home, f"nebula {words} <&-")
    assert (status, out) == (2, "")
    assert err.startswith("error: stdin"), err


def test_nothing_is_written_into_the_database_of_who_has_no_streams(home: Path) -> None:
    assert shell(home, "nebula cluster create spare <&- >&- 2>&-")[0] == 1  # its id could not be said
    assert shell(home, "nebula db check")[0] == 0
    assert shell(home, "nebula cluster remove spare <&- >&- 2>&-")[0] == 0


@pytest.mark.parametrize("words", ["vm list -f jsonl", "event list -f jsonl", "vm list"])
def test_a_reader_may_leave(home: Path, words: str) -> None:
    status, out, err = shell(home, f"nebula -q {words} | head -n 1")
    assert status in {0, 141}
    assert out.count("\n") == 1
    assert err == ""


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_a_locale_without_utf_8(home: Path, locale: dict[str, str]) -> None:
    assert shell(home, "nebula -q vm list -f name name=web", **locale) == (0, "web\n", "")
    status, _, err = shell(home, "nebula vm show nöbody", **locale)
    assert status in {2, 3}
    assert err.startswith("error:")


def test_a_pipe_gets_data_without_colours(home: Path) -> None:
    for more in ({}, {"NO_COLOR": "1", "TERM": "xterm"}):
        status, out, err = shell(home, "nebula -q vm list", **more)
        assert (status, err) == (0, "")
        assert "\x1b" not in out


@pytest.mark.parametrize(("colour", "coloured"), [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)])
def test_a_terminal_of_40_columns(home: Path, colour: dict[str, str], coloured: bool) -> None:
    out = _in_terminal(home, 40, "vm", "list", **colour)
    lines = out.replace("\r\n", "\n").splitlines()
    assert ("\x1b[" in out) is coloured
    if not coloured:
        assert lines
        assert max(len(line) for line in lines) <= 40
        assert any("web" in line for line in lines)


def _in_terminal(home: Path, columns: int, *words: str, **more: str) -> str:
    """What the program prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    argv = [sys.executable, "-m", "nebula", "-q", *words]
    with subprocess.Popen(argv, env=environment(home, **more), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        try:
            while data := os.read(ours, 1 << 16):
                found += data
        except OSError:  # the terminal's other end is closed
            process.wait(SECONDS)
    os.close(ours)
    assert process.returncode == 0
    return found.decode()


STATUSES = {
    "done": (0, "nebula --version"),
    "failed": (1, "nebula --version >/dev/full"),
    "usage": (2, "nebula vm list --format nothing"),
    "not found": (3, "nebula vm show nobody"),
    "denied": (4, 'mkdir -m 755 -p "$XDG_RUNTIME_DIR/nebula"; nebula cluster create c1'),
    "conflict": (5, "nebula vm resume web"),
    "unreachable": (6, "nebula host scan 127.0.0.1 --port 1"),
    "timed out": (7, "nebula vm wait web RUNNING --timeout 1s"),
    "partly done": (8, "nebula vm update web nobody --set LABEL=1"),
}


@pytest.mark.parametrize(("expected", "line"), STATUSES.values(), ids=STATUSES.keys())
def test_every_exit_status(home: Path, expected: int, line: str) -> None:
    with tempfile.TemporaryDirectory() as short:  # enough for a socket's name
        status, _, err = shell(home, line, **({"XDG_RUNTIME_DIR": short} if expected == 4 else {}))
    assert status == expected, err
    assert ("error:" in err) is (expected != 0)


def test_the_exit_status_of_ctrl_c(home: Path) -> None:
    argv = [sys.executable, "-m", "nebula", "event", "follow"]
    with subprocess.Popen(argv, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, seen = 0, b""
        while not seen:  # it may not follow yet when the first one is made
            name += 1
            assert shell(home, f"nebula cluster create another-{name}")[0] == 0
            seen = os.read(process.stdout.fileno(), 1) if select.select([process.stdout], [], [], 1.0)[0] else b""
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "")
