"""What is ssh's own: pinned keys, one connection, sessions, back-off, loss."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.errors import DeniedError, HostKeyError, InterruptedByUser, UnreachableError
from nebula.transport.hostkeys import host_key
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport
from tests.unit.transport.conftest import Connect, Sshd, _free_port


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def _other_key(sshd: Sshd) -> str:
    return " ".join((sshd.base / "other_key.pub").read_text().split()[:2])


def test_opens_on_first_use_and_again_after_close(connect: Connect) -> None:
    transport = connect()
    assert not transport.alive()
    transport.run(["true"])
    assert transport.alive()
    transport.close()
    assert not transport.alive()
    transport.run(["true"])
    assert transport.alive()


def test_all_callers_share_one_connection(connect: Connect) -> None:
    transport, seen = connect(), []

    def ask() -> None:
        seen.append(transport.run(["sh", "-c", 'echo "$SSH_CONNECTION"']).text)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1


def test_another_host_key_is_refused_with_both_fingerprints(connect: Connect, sshd: Sshd) -> None:
    transport = connect(known_host=_other_key(sshd))
    with pytest.raises(HostKeyError) as caught:
        transport.run(["true"])
    shown = host_key(sshd.host_line).fingerprint
    assert shown in str(caught.value)
    assert host_key(_other_key(sshd)).fingerprint in str(caught.value)
    assert caught.value.hint.endswith(f"nebula host update node1 --fingerprint {shown}")


def test_one_of_several_pinned_keys_is_enough(connect: Connect, sshd: Sshd) -> None:
    transport = connect(known_host=f"{_other_key(sshd)}\n{sshd.host_line}")
    assert transport.run(["echo", "in"]).stdout == b"in\n"


def test_no_pinned_key_trusts_nobody(connect: Connect) -> None:
    with pytest.raises(HostKeyError, match="no key of it was pinned"):
        connect(known_host="").run(["true"])


def test_pinned_key_of_a_type_that_the_host_has_not(connect: Connect, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key")], check=True)
    with pytest.raises(HostKeyError, match=r"ecdsa-sha2-nistp256\), shown SHA256:.* \(ssh-ed25519\)"):
        connect(known_host=(tmp_path / "key.pub").read_text()).run(["true"])


def test_a_key_that_the_host_does_not_know_is_refused(connect: Connect, sshd: Sshd) -> None:
    with pytest.raises(DeniedError, match="does not let root in by the engine's key") as caught:
        connect(key_path=sshd.base / "other_key").run(["true"])
    assert "--ask-password" in caught.value.hint


def test_dead_port_fails_at_once_until_its_pause_is_over(connect: Connect) -> None:
    clock, port = HandClock(), _free_port()
    transport = connect(port=port, clock=clock)
    pauses = []
    for _ in range(7):
        with pytest.raises(UnreachableError, match="does not answer") as caught:
            transport.run(["true"])
        assert "next attempt" not in caught.value.cause
        with pytest.raises(UnreachableError, match="next attempt in") as caught:
            transport.run(["true"])
        pauses.append(float(caught.value.cause.rpartition("in ")[2].split()[0]))
        clock.at += pauses[-1] + 0.1
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


def test_whoever_says_that_it_is_mended_waits_for_no_pause(connect: Connect) -> None:
    clock, port = HandClock(), _free_port()
    transport = connect(port=port, clock=clock)
    for pause in (2, 4):
        transport.retry_now()
        with pytest.raises(UnreachableError) as caught:
            transport.run(["true"])
        assert "next attempt" not in caught.value.cause
        with pytest.raises(UnreachableError, match=f"next attempt in {pause} s"):
            transport.run(["true"])


def test_lost_connection_fails_what_runs_and_comes_back(connect: Connect, sshd: Sshd) -> None:
    transport = connect()
    pids: list[bytes] = []

    def drop(pid: bytes) -> None:
        pids.append(pid)
        sshd.drop_connections()

    with pytest.raises(UnreachableError, match="does not answer"):
        transport.run(["sh", "-c", "echo $$; exec sleep 1000"], timeout=60, on_line=drop)
    gone = ["sh", "-c", 'for i in $(seq 100); do [ -e "/proc/$1" ] || exit 0; sleep 0.1; done; exit 1', "sh", pids[0].decode()]
    assert transport.run(gone).status == 0, "a command outlived its connection"


def test_a_connection_that_ended_while_nothing_ran_over_it_is_made_anew(connect: Connect, sshd: Sshd) -> None:
    transport = connect()
    for _ in range(6):
        assert transport.run(["echo", "well"]).text == "well\n"
        sshd.drop_connections()


def test_monitoring_has_a_session_when_all_others_are_taken(connect: Connect) -> None:
    transport, token = connect(), CancelToken()
    started = threading.Semaphore(0)

    def occupy() -> None:
        with pytest.raises(InterruptedByUser):
            transport.run(
                ["sh", "-c", "echo on; sleep 1000"], timeout=100, cancel=token, on_line=lambda _line: started.release()
            )

    threads = [threading.Thread(target=occupy) for _ in range(7)]
    for thread in threads:
        thread.start()
    assert all(started.acquire(timeout=30) for _ in threads)
    assert transport.for_monitoring().run(["echo", "well"], timeout=20).text == "well\n"
    token.set("seen enough")
    for thread in threads:
        thread.join()


def test_bulk_keeps_no_short_command_from_its_turn(connect: Connect) -> None:
    transport = connect()
    stop = CancelToken()

    def occupy() -> None:
        with pytest.raises(InterruptedByUser):
            transport.run(["sleep", "60"], cancel=stop, bulk=True)

    takers = [threading.Thread(target=occupy) for _ in range(20)]
    for taker in takers:
        taker.start()
    try:
        assert [transport.run(["echo", str(number)]).text for number in range(3)] == ["0\n", "1\n", "2\n"]
    finally:
        stop.set("enough")
        for taker in takers:
            taker.join()
    transport.close()


def test_stopped_loop_says_so(sshd: Sshd, connect: Connect) -> None:
    loop = TunnelLoop()
    loop.start()
    transport = connect(loop=loop)
    transport.run(["true"])
    loop.stop()
    with pytest.raises(UnreachableError, match="closed"):
        transport.run(["true"])


def test_making_a_transport_brings_no_asyncio_in() -> None:
    code = "import sys, nebula.transport.ssh, nebula.transport.local; print({'asyncio', 'asyncssh'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_class_is_the_contracts(connect: Connect) -> None:
    from nebula.transport.base import Transport
    from nebula.transport.local import LocalTransport

    transports: list[Transport] = [connect(), LocalTransport(), connect().for_monitoring()]
    assert all(isinstance(transport, SshTransport | LocalTransport) for transport in transports)


def test_anew_is_another_connection_and_leaves_the_first_alone(connect: Connect) -> None:
    transport = connect()
    first = transport.run(["sh", "-c", "echo $SSH_CONNECTION"]).text
    fresh = transport.anew()
    assert fresh is not None
    other = fresh.run(["sh", "-c", "echo $SSH_CONNECTION"]).text
    assert other != first
    assert other.split()[2:] == first.split()[2:]
    fresh.close()
    assert transport.alive()
    assert transport.run(["sh", "-c", "echo $SSH_CONNECTION"]).text == first
