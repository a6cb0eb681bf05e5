"""What every real transport does, seen through its public methods."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.errors import CommandError, InterruptedByUser, NotFoundError, TimedOutError
from nebula.transport import outcome
from nebula.transport.commands import CommandTransport

_STUBBORN = 'trap "" TERM; echo $$ >"$1.new"; mv "$1.new" "$1"; while :; do sleep 0.2; done'
_FAMILY = 'sleep 1000 & echo "$$ $!" >"$1.new"; mv "$1.new" "$1"; wait'


def _pids(path: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, "the command did not start"
        time.sleep(0.02)
    return [int(word) for word in path.read_text().split()]


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_output_status_and_stdin(transport: CommandTransport) -> None:
    done = transport.run(["sh", "-c", "cat; echo no >&2; exit 3"], stdin=b"\x00yes\xff", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, b"\x00yes\xff", b"no\n")
    assert done.argv[0] == "sh"


def test_without_stdin_a_command_reads_nothing(transport: CommandTransport) -> None:
    assert transport.run(["cat"]).stdout == b""


def test_large_stdin_and_stdout(transport: CommandTransport) -> None:
    data = bytes(range(256)) * (3 << 12)
    assert transport.run(["cat"], stdin=data).stdout == data


def test_stdin_that_nobody_reads_is_no_failure(transport: CommandTransport) -> None:
    assert transport.run(["true"], stdin=b"x" * (4 << 20)).status == 0


def test_failure_tells_the_tools_own_words(transport: CommandTransport) -> None:
    with pytest.raises(CommandError, match="No such file or directory") as caught:
        transport.run(["ls", "/no/such/place"])
    assert (caught.value.host, caught.value.argv, caught.value.status) == ("node1", ["ls", "/no/such/place"], 2)


def test_program_that_is_not_there(transport: CommandTransport) -> None:
    done = transport.run(["no-such-program"], check=False)
    assert done.status == 127
    assert b"no-such-program" in done.stderr


def test_signal_is_a_negative_status(transport: CommandTransport) -> None:
    assert transport.run(["sh", "-c", "kill -KILL $$"], check=False).status == -9


def test_lines_come_as_they_are_written(transport: CommandTransport) -> None:
    seen: list[bytes] = []
    done = transport.run(["printf", r"10%%\r20%%\r\nlast"], on_line=seen.append)
    assert seen == [b"10%", b"20%", b"last"]
    assert done.stdout == b"10%\r20%\r\nlast"


def test_lines_come_in_the_callers_thread(transport: CommandTransport) -> None:
    threads: list[int] = []
    transport.run(["echo", "one"], on_line=lambda _line: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


def test_failure_of_on_line_ends_the_command(transport: CommandTransport, tmp_path: Path) -> None:
    def refuse(line: bytes) -> None:
        raise CommandError("node1", ["parse"], 1, line.decode())

    with pytest.raises(CommandError, match="nonsense"):
        transport.run(["sh", "-c", f"echo nonsense; {_FAMILY}", "sh", str(tmp_path / "pids")], on_line=refuse)
    if (tmp_path / "pids").exists():
        assert not any(_lives(pid) for pid in _pids(tmp_path / "pids"))


def test_timeout_ends_the_whole_family(transport: CommandTransport, tmp_path: Path) -> None:
    with pytest.raises(TimedOutError, match="longer than 1 s"):
        transport.run(["sh", "-c", _FAMILY, "sh", str(tmp_path / "pids")], timeout=1)
    assert not any(_lives(pid) for pid in _pids(tmp_path / "pids"))


@pytest.mark.parametrize("stdin", [None, b"some input"])
@pytest.mark.parametrize("script", [_FAMILY, _STUBBORN])
def test_cancel_ends_the_command_on_the_host(
    transport: CommandTransport, tmp_path: Path, script: str, stdin: bytes | None
) -> None:
    token, pids = CancelToken(), []

    def cancel() -> None:
        pids.extend(_pids(tmp_path / "pids"))
        token.set("cancelled by alice")

    watcher = threading.Thread(target=cancel)
    watcher.start()
    with pytest.raises(InterruptedByUser, match="alice"):
        transport.run(["sh", "-c", script, "sh", str(tmp_path / "pids")], stdin=stdin, timeout=60, cancel=token)
    watcher.join()
    assert pids
    assert not any(_lives(pid) for pid in pids)


def test_a_token_that_is_set_starts_nothing(transport: CommandTransport, tmp_path: Path) -> None:
    token = CancelToken()
    token.set("too late")
    with pytest.raises(InterruptedByUser, match="too late"):
        transport.run(["touch", str(tmp_path / "made")], cancel=token)
    assert not (tmp_path / "made").exists()


def test_too_much_output_ends_the_command(transport: CommandTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(CommandError, match="more than 1 MiB"):
        transport.run(["yes"])


def test_small_files_go_there_and_back(transport: CommandTransport, tmp_path: Path) -> None:
    path = tmp_path / 'it\'s a "file"\nwith $everything'
    for data in (b"first", b"", bytes(range(256)) * 1000):
        transport.write_file(str(path), data, mode=0o640)
        assert transport.read_file(str(path)) == data
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_file_that_cannot_be_written_leaves_nothing(transport: CommandTransport, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(CommandError):
        transport.write_file(str(tmp_path / "taken"), b"data")
    with pytest.raises(CommandError, match="No such file"):
        transport.write_file(str(tmp_path / "missing" / "file"), b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_reading_has_a_limit(transport: CommandTransport, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 101)
    assert len(transport.read_file(str(tmp_path / "file"), limit=101)) == 101
    with pytest.raises(CommandError, match="more than 100 bytes"):
        transport.read_file(str(tmp_path / "file"), limit=100)


@pytest.mark.parametrize("name", ["missing", "file/below"])
def test_reading_what_is_not_there(transport: CommandTransport, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFoundError, match="node1 has no file"):
        transport.read_file(str(tmp_path / name))


def test_many_at_once(transport: CommandTransport) -> None:
    answers: list[str] = []

    def ask(number: int) -> None:
        answers.append(transport.run(["sh", "-c", 'sleep 0.3; echo "$1"', "sh", str(number)]).text.strip())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=int) == [str(number) for number in range(20)]
