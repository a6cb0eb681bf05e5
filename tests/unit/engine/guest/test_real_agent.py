"""QEMU's own agent, as Debian has it, does what ours asks for; it listens on a socket instead of a guest's channel."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nebula.drivers.base import Hypervisor
from nebula.engine.api.values import Executed
from nebula.engine.guest.agent import CHUNK, MAX_OUTPUT, PART, GuestAgent
from nebula.errors import NebulaError
from tests.contract.engine import until


def asker(path: Path) -> Callable[..., Any]:
    """`Hypervisor.ask_agent` over the agent's socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(path))
    lines, lock = connection.makefile("rb"), threading.Lock()

    def ask(uuid: str, command: str, arguments: Mapping[str, Any], *, timeout: float) -> Any:
        with lock:
            connection.sendall(json.dumps({"execute": command, "arguments": dict(arguments)}).encode() + b"\n")
            answer = json.loads(lines.readline())
        if "error" in answer:
            raise NebulaError(command, cause=answer["error"]["desc"])
        return answer["return"]

    return ask


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestAgent]:
    place = tmp_path_factory.mktemp("agent")
    path = place / "socket"
    argv = ["/usr/sbin/qemu-ga", "--method=unix-listen", f"--path={path}", f"--statedir={place}"]
    with subprocess.Popen(argv, env={**os.environ, "LC_ALL": "C"}) as process:
        until(path.exists)
        yield GuestAgent(cast(Hypervisor, SimpleNamespace(ask_agent=asker(path))), "u")
        process.terminate()


def run(agent: GuestAgent, *words: str, stdin: bytes = b"") -> Executed:
    pid = agent.execute(words, stdin)
    ended: Executed = until(lambda: found if (found := agent.executed(pid)).ended else None)
    return ended


def test_a_program_runs_and_tells_its_end_once(agent: GuestAgent) -> None:
    ended = run(agent, "sh", "-c", "cat; echo err >&2; exit 7", stdin=b"\xff\0in")
    assert (ended.status, ended.signal, ended.stdout, ended.stderr, ended.cut) == (7, 0, b"\xff\0in", b"err\n", False)
    pid = agent.execute(["true"], b"")
    until(lambda: agent.executed(pid).ended)
    with pytest.raises(NebulaError):
        agent.executed(pid)
    missing = run(agent, "/no/such/program")
    assert (missing.status, b"not found" in missing.stderr) == (127, True)
    assert run(agent, "sh", "-c", "kill -TERM $$").status == 128 + 15
    assert run(agent, "printf", "%s|", "a b", "", "$(id)", "'\\").stdout == b"a b||$(id)|'\\|"


def test_what_is_said_beyond_a_mebibyte_is_thrown_away(agent: GuestAgent) -> None:
    ended = run(agent, "sh", "-c", "yes | head -c 20000000; yes no | head -c 3000000 >&2; echo end >&2; exit 3")
    assert (ended.status, ended.cut) == (3, True)
    assert ended.stdout == b"y\n" * (MAX_OUTPUT // 2)
    assert len(ended.stderr) == MAX_OUTPUT
    whole = run(agent, "head", "-c", str(MAX_OUTPUT), "/dev/zero")
    assert (len(whole.stdout), whole.cut) == (MAX_OUTPUT, False)
    assert run(agent, "echo", "well").stdout == b"well\n"


def test_one_that_lasts_is_killed_with_all_that_it_started(agent: GuestAgent) -> None:
    pid = agent.execute(["sh", "-c", "sleep 987654 & sleep 987654"], b"")
    words = ("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    until(lambda: b"sleep 987654" in run(agent, *words).stdout)
    assert not agent.executed(pid).ended
    agent.kill(pid)
    assert until(lambda: found if (found := agent.executed(pid)).ended else None).signal == 9
    until(lambda: b"sleep 987654" not in run(agent, *words).stdout)


def test_files_go_in_and_come_out(agent: GuestAgent, tmp_path: Path) -> None:
    data = bytes(range(256)) * 8000
    path = str(tmp_path / "file")
    handle, done = agent.open(path, "write"), 0
    for _ in range(2):
        assert agent.write(handle, 0, bytes(CHUNK)) == PART
        assert agent.write(handle, 0, data[:1000]) == 1000
    while done < len(data):
        done += agent.write(handle, done, data[done : done + CHUNK])
    agent.close(handle)
    assert (tmp_path / "file").read_bytes() == data
    handle, found = agent.open(path, "read"), b""
    while not (part := agent.read(handle, len(found), CHUNK)).end:
        found += part.data
    assert found == data
    assert agent.read(handle, 5, 10).data == data[5:15]
    agent.close(handle)
    for wrong, mode in ((str(tmp_path / "nothing"), "read"), (str(tmp_path / "no" / "file"), "write")):
        with pytest.raises(NebulaError) as caught:
            agent.open(wrong, mode)
        assert "No such file" in caught.value.cause
