"""RemoteEngine: typed values, typed errors, nothing done twice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import NoReturn, cast

import pytest

from nebula.cli.connect import Lister
from nebula.cli.remote_lists import RemoteLists
from nebula.engine.api.tables import Listing, Query
from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.errors import (
    DeniedError,
    NebulaError,
    OwnerError,
    TimedOutError,
    UnreachableError,
    UsageError,
    VersionError,
    all_errors,
)
from nebula.rpc import limits, plain
from nebula.rpc.client import RemoteEngine, try_connect
from nebula.rpc.link import Waits
from nebula.rpc.server import Server
from tests.unit.rpc.small import SmallEngine, Talk, error_named

Connect = Callable[[], RemoteEngine]


def test_values_come_typed(client: RemoteEngine) -> None:
    found = client.vms.list(Query(columns=("id", "name"), limit=1))
    assert found == Listing(columns=("id", "name"), rows=[[0, None, 1.5, "ü"]])
    assert client.vms.show("web", refresh=True).body == {"refresh": True}
    assert client.vms.create(MappingProxyType({"NAME": "web"}), Call(), hold=True) == Accepted(kind="vm", id=0, name="web")


@pytest.mark.parametrize("code", sorted(all_errors()))
def test_every_error_comes_back_as_it_was(client: RemoteEngine, code: str) -> None:
    with pytest.raises(NebulaError) as caught:
        client.vms.show(f"error:{code}")
    sent = error_named(code)
    assert type(caught.value) is type(sent)
    assert caught.value.as_dict() == sent.as_dict()
    assert (str(caught.value), caught.value.exit_status) == (str(sent), sent.exit_status)


def test_what_the_facade_has_not_the_client_has_not(client: RemoteEngine) -> None:
    assert not hasattr(client.vms, "explode")
    assert not hasattr(client.vms, "_change")
    with pytest.raises(TypeError):
        client.vms.show("a", nothing=1)  # type: ignore[call-arg]


def test_fifty_clients_at_once(server: Server, client: RemoteEngine) -> None:
    names = [f"vm{number}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        assert [found.name for found in pool.map(client.vms.show, names)] == names
        made = pool.map(lambda name: client.vms.create({"NAME": name}, Call()).name, names)
        assert sorted(made) == sorted(names)


def test_a_missing_key_is_filled_in_and_a_given_one_kept(client: RemoteEngine, engine: SmallEngine) -> None:
    client.vms.create({}, Call())
    client.vms.create({}, Call())
    client.vms.create({}, Call(key="mine"))
    keys = [call.key for call in engine.vms.calls]
    assert len(set(keys)) == 3
    assert all(keys)
    assert keys[2] == "mine"


def cut(server: Server) -> None:
    """Cut every client off, as a crash would."""
    for connection in list(server._clients):
        connection.wire.end()


def test_a_lost_answer_is_asked_for_with_the_same_key(client: RemoteEngine, server: Server, engine: SmallEngine) -> None:
    engine.vms.after = [lambda: cut(server)]
    answer = client.vms.create({"NAME": "web"}, Call())
    assert len(engine.vms.calls) == 2
    assert engine.vms.calls[0].key == engine.vms.calls[1].key
    assert engine.vms.answers == {engine.vms.calls[0].key: answer}


def test_the_next_owner_is_asked(place: Path, connect: Connect, engine: SmallEngine) -> None:
    second = Server(engine.facade, place)
    first = Server(engine.facade, place)
    first.start()
    client = connect()

    def hand_over() -> None:
        first.stop()
        second.start()

    def change_over() -> None:
        cut(first)
        threading.Thread(target=hand_over).start()

    engine.vms.after = [change_over]
    try:
        answer = client.vms.create({"NAME": "web"}, Call())
        assert engine.vms.answers == {engine.vms.calls[0].key: answer}
        assert {call.key for call in engine.vms.calls} == {engine.vms.calls[0].key}
    finally:
        first.stop()
        second.stop()


def test_without_a_next_owner_it_is_unreachable(server: Server, place: Path, engine: SmallEngine) -> None:
    client = RemoteEngine(place, waits=Waits(handover=0.1))
    client.vms.show("a")
    server.stop()
    with pytest.raises(UnreachableError, match=str(place)):
        client.vms.create({}, Call())
    with pytest.raises(UnreachableError):
        client.vms.show("a")
    client.close()
    assert engine.vms.calls == []


def test_reads_are_repeated_on_a_new_connection(client: RemoteEngine, server: Server) -> None:
    for _ in range(3):
        assert client.vms.show("a").name == "a"
        cut(server)


def test_a_backup_is_not_sent_twice(client: RemoteEngine, server: Server, engine: SmallEngine) -> None:
    engine.after = [lambda: cut(server)]
    with pytest.raises(UnreachableError, match="not known"):
        client.system.backup("/srv/copy.db")
    assert engine.backups == ["/srv/copy.db"]


def test_a_stop_does_not_reach_the_next_owner(client: RemoteEngine, server: Server, engine: SmallEngine) -> None:
    engine.after = [lambda: cut(server)]
    with pytest.raises(UnreachableError):
        client.system.stop(Call())
    assert len(engine.stops) == 1


def test_an_owner_that_lets_go_is_no_answer(connect: Connect, engine: SmallEngine, place: Path) -> None:
    def refuse() -> None:
        raise OwnerError("this engine is stopping")

    engine.vms.after = [refuse]
    with Server(engine.facade, place):
        assert connect().vms.create({"NAME": "web"}, Call()).name == "web"
    assert len({call.key for call in engine.vms.calls}) == 1


def test_who_reads_looks_elsewhere_when_the_owner_stops(
    server: Server, engine: SmallEngine, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(query: Query) -> NoReturn:
        raise OwnerError("this engine is stopping")

    next_owner = SmallEngine()
    monkeypatch.setattr(engine.vms, "list", stopping)
    client = RemoteEngine(place, otherwise=lambda: cast(Engine, SimpleNamespace(vms=next_owner.vms, close=lambda: None)))
    query = Query(columns=("id", "name"), limit=1)
    assert client.vms.list(query) == next_owner.vms.list(query)
    client.close()
    others: list[tuple[str, Query]] = []
    file = SimpleNamespace(list=lambda *asked: others.append(asked), close=lambda: None)
    RemoteLists(str(place), lambda: cast(Lister, file)).list("vm", query)
    assert others == [("vm", query)]


def test_an_answer_that_does_not_come(server: Server, place: Path) -> None:
    client = RemoteEngine(place, waits=Waits(answer=0.1))
    with pytest.raises(TimedOutError, match=r"0\.1 seconds"):
        client.hosts.check("kvm1")
    client.close()


def test_a_request_that_is_too_large_is_not_sent(client: RemoteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_REQUEST", 1 << 20)
    with pytest.raises(UsageError, match="MiB"):
        client.vms.create({"NAME": "x" * (1 << 21)}, Call())


def test_try_connect(server: Server, place: Path) -> None:
    found = try_connect(place, 5.0)
    assert found is not None
    assert found.vms.show("a").name == "a"
    found.close()
    server.stop()
    assert try_connect(place, 0.1) is None


def test_a_socket_for_others_is_denied(place: Path) -> None:
    error = plain.unreachable(place, PermissionError(13, "Permission denied"))
    assert isinstance(error, DeniedError)
    assert "usermod" in error.hint


def test_try_connect_to_a_file_nobody_serves(place: Path) -> None:
    with Server(SmallEngine().facade, place) as server:
        place.rename(place.with_suffix(".old"))
        server.stop()
    assert try_connect(place.with_suffix(".old"), 0.1) is None


def test_try_connect_to_who_does_not_answer(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        assert try_connect(place, 0.1) is None


def test_a_peer_that_speaks_otherwise(place: Path) -> None:
    def speak() -> None:
        connection, _ = silent.accept()
        with connection:
            connection.sendall(b"220 mail.example.org ESMTP\n")
            connection.recv(4096)

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(VersionError):
            try_connect(place, 5.0)
        thread.join()


def test_who_connects_and_says_nothing_hurts_nobody(client: RemoteEngine, place: Path) -> None:
    with Talk(place, hello=False), Talk(place) as second:
        second.socket.sendall(b'{"id":1,"met')
        assert client.vms.show("a").name == "a"
