"""The socket's file, its clients, and its end."""

from __future__ import annotations

import grp
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from nebula.errors import CapacityError, DeniedError, OwnerError, UsageError
from nebula.rpc.client import RemoteEngine, try_connect
from nebula.rpc.peer import PeerCredentials, user_name
from nebula.rpc.server import _KEPT, Server
from tests.unit.rpc.small import SmallEngine, Talk


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("wanted", [0o600, 0o660])
def test_the_sockets_mode_is_what_was_asked_whatever_the_umask(place: Path, engine: SmallEngine, wanted: int) -> None:
    before = os.umask(0)
    try:
        with Server(engine.facade, place, mode=wanted, group=grp.getgrgid(os.getegid()).gr_name):
            assert stat.S_ISSOCK(place.lstat().st_mode)
            assert mode(place) == wanted
            assert place.lstat().st_gid == os.getegid()
            assert [item.name for item in place.parent.iterdir()] == [place.name]
    finally:
        os.umask(before)
    assert list(place.parent.iterdir()) == []


def test_a_file_left_there_goes_only_under_the_lock(place: Path, engine: SmallEngine) -> None:
    place.touch()
    with pytest.raises(OwnerError, match=place.name):
        Server(engine.facade, place).start()
    with Server(engine.facade, place, replace=True):
        found = try_connect(place, 5.0)
        assert found is not None
        found.close()


def test_the_next_owners_socket_is_not_removed(place: Path, engine: SmallEngine) -> None:
    first = Server(engine.facade, place)
    first.start()
    with Server(engine.facade, place, replace=True):
        first.stop()
        assert place.exists()


def test_unusable_places(place: Path, engine: SmallEngine) -> None:
    with pytest.raises(UsageError, match="too long"):
        Server(engine.facade, place.parent / ("x" * 110)).start()
    with pytest.raises(UsageError, match="no-such-group"):
        Server(engine.facade, place, group="no-such-group").start()
    place.parent.joinpath("file").touch()
    with pytest.raises(DeniedError, match="cannot serve"):
        Server(engine.facade, place.parent / "file" / "engine.sock").start()


def test_clients_are_bounded_and_the_next_is_told(place: Path, engine: SmallEngine) -> None:
    with Server(engine.facade, place, most=2) as server:
        with Talk(place), Talk(place), pytest.raises(CapacityError, match="2 clients"):
            try_connect(place, 5.0)
        while server.clients:
            threading.Event().wait(0.01)
        with Talk(place) as talk:
            assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


def test_a_client_that_dies_in_the_middle_is_forgotten(server: Server, engine: SmallEngine) -> None:
    with Talk(server.path) as talk:
        talk.socket.sendall(b'{"id":1,"method":"host.check","params":{"ref":"kvm1"}}\n')
        assert engine.hosts.begun.wait(10)
    engine.hosts.let.set()
    while server.clients:
        threading.Event().wait(0.01)
    with Talk(server.path) as talk:
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


def test_a_user_who_may_not_is_told_so(place: Path, engine: SmallEngine) -> None:
    def refuse(peer: PeerCredentials) -> str:
        raise DeniedError(f"user {peer.uid} may not")

    with Server(engine.facade, place, actor_of=refuse), pytest.raises(DeniedError, match=str(os.geteuid())):
        try_connect(place, 5.0)


def test_users_have_their_names() -> None:
    assert user_name(PeerCredentials(1, 0, 0)) == "root"
    assert user_name(PeerCredentials(1, 4_000_000_000, 0)) == "#4000000000"


def test_stop_lets_a_running_request_finish(server: Server, client: RemoteEngine, engine: SmallEngine) -> None:
    found: list[str] = []
    hosts: Any = client.hosts
    asking = threading.Thread(target=lambda: found.append(hosts.check("kvm1")[0].where))
    asking.start()
    assert engine.hosts.begun.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    while server.path.exists():
        threading.Event().wait(0.01)
    engine.hosts.let.set()
    stopping.join(20)
    asking.join(20)
    assert found == ["kvm1"]


def test_stop_does_not_wait_for_ever(server: Server, engine: SmallEngine) -> None:
    with Talk(server.path) as talk:
        talk.socket.sendall(b'{"id":1,"method":"host.check","params":{"ref":"kvm1"}}\n')
        assert engine.hosts.begun.wait(10)
        server.stop(grace=0.1)
        assert talk.hear() == {}


def test_stop_ends_idle_clients_streams_and_itself(place: Path, engine: SmallEngine) -> None:
    told: list[bool] = []
    server = Server(engine.facade, place, on_stop=lambda: told.append(True))
    server.start()
    with Talk(place) as idle, Talk(place) as follower, Talk(place) as console, Talk(place) as tunnel:
        follower.ask("event.follow", after=0)
        console.ask("vm.console", ref="web")
        tunnel.ask("vm.graphics", ref="web")
        server.stop()
        assert (idle.hear(), follower.hear(), console.hear(), tunnel.hear()) == ({}, {}, {}, {})
    assert engine.vms.tunnel.closed.is_set()
    assert engine.vms.console_stream.closed.is_set()
    assert engine.events.ended.is_set()
    assert server.clients == 0
    assert not place.exists()
    server.stop()
    assert told == [True]


def test_no_thread_is_left(place: Path, engine: SmallEngine) -> None:
    before = threading.active_count()
    for _ in range(3):
        with Server(engine.facade, place), Talk(place), Talk(place):
            pass
    assert threading.active_count() == before


def test_one_client_after_the_other_is_served_by_the_same_thread(place: Path, engine: SmallEngine) -> None:
    """A thread has its own connection to the database, which takes longer to open than a question to answer."""
    with Server(engine.facade, place) as server:
        served: set[int | None] = set()
        for _ in range(10):
            with Talk(place) as talk:
                assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"
                served |= {thread.ident for thread in threading.enumerate() if thread.name == "nebula-rpc-client"}
            while server.clients or not server._idle:
                threading.Event().wait(0.01)
        assert len(served) == 1


def test_no_more_threads_stay_than_a_few(place: Path, engine: SmallEngine) -> None:
    with Server(engine.facade, place) as server:
        talks = [Talk(place) for _ in range(12)]
        for talk in talks:
            with talk:
                talk.ask("vm.show", ref="a")
        while server.clients or sum(thread.name == "nebula-rpc-client" for thread in threading.enumerate()) > _KEPT:
            threading.Event().wait(0.01)
        with Talk(place) as talk:
            assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"
