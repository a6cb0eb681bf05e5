"""Events, consoles and tunnels through the socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebula.engine.api.values import Event
from nebula.errors import UnreachableError
from nebula.rpc import limits
from nebula.rpc.client import RemoteEngine
from nebula.rpc.link import Waits
from nebula.rpc.server import Server
from tests.unit.rpc.small import SmallEngine, Talk


def texts(events: Iterator[Event | None], count: int) -> list[str]:
    """The texts of the next events."""
    found: list[str] = []
    while len(found) < count:
        event = next(events)
        if event is not None:
            found.append(event.body["text"])
    return found


def close(events: Iterator[Event | None]) -> None:
    events.close()  # type: ignore[attr-defined]


def test_events_come_in_order_from_where_was_asked(client: RemoteEngine, engine: SmallEngine) -> None:
    for text in ("a", "b", "c"):
        engine.events.add(text)
    events = client.events.follow(1)
    assert texts(events, 2) == ["b", "c"]
    engine.events.add("d")
    assert texts(events, 1) == ["d"]
    close(events)
    assert engine.events.ended.wait(10)


def test_none_comes_while_nothing_happens(client: RemoteEngine) -> None:
    events = client.events.follow(0)
    assert next(events) is None
    close(events)


def test_a_follower_that_dies_is_let_go(server: Server, engine: SmallEngine) -> None:
    with Talk(server.path) as talk:
        assert talk.ask("event.follow", after=0)["result"] is None
        engine.events.add("a")
        assert talk.hear()["params"]["body"] == {"text": "a"}
    assert engine.events.ended.wait(10)


def test_a_follower_that_does_not_read_is_cut_off(server: Server, engine: SmallEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEND", 0.2)
    with Talk(server.path) as talk:
        talk.ask("event.follow", after=0)
        for _ in range(4):
            engine.events.add("x" * (1 << 20))
        assert engine.events.ended.wait(20)


def test_following_goes_on_with_the_next_owner(place: Path, connect: Callable[[], RemoteEngine], engine: SmallEngine) -> None:
    with Server(engine.facade, place):
        events = connect().events.follow(0)
        engine.events.add("a")
        assert texts(events, 1) == ["a"]
    engine.events.add("b")
    with Server(engine.facade, place):
        engine.events.add("c")
        assert texts(events, 2) == ["b", "c"]
        close(events)


def test_following_ends_when_nobody_takes_over(server: Server, place: Path, engine: SmallEngine) -> None:
    events = RemoteEngine(place, waits=Waits(handover=0.1)).events.follow(0)
    engine.events.add("a")
    assert texts(events, 1) == ["a"]
    server.stop()
    with pytest.raises(UnreachableError):
        list(events)


def read(stream: object, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += stream.read(10)  # type: ignore[attr-defined]
    return data


def test_a_console_carries_bytes_both_ways(client: RemoteEngine, engine: SmallEngine) -> None:
    console = client.vms.console("web")
    assert console.read(0.01) == b""
    console.write(b"hello\xff\n")
    assert read(console, 7) == b"HELLO\xff\n"
    console.close()
    assert engine.vms.console_stream.closed.wait(10)
    with pytest.raises(EOFError):
        console.read(0.1)
    with pytest.raises(EOFError):
        console.write(b"x")


def test_a_console_that_ends_there_ends_here(client: RemoteEngine, engine: SmallEngine) -> None:
    console = client.vms.console("web")
    console.write(b"q")
    with pytest.raises(EOFError):
        read(console, 1)
    assert engine.vms.console_stream.closed.wait(10)
    console.close()


def test_bytes_typed_with_the_request_are_not_lost(server: Server) -> None:
    with Talk(server.path) as talk:
        talk.socket.sendall(b'{"id":1,"method":"vm.console","params":{"ref":"web"}}\nhello')
        assert talk.hear() == {"jsonrpc": "2.0", "id": 1, "result": None}
        assert talk._lines.read(5) == b"HELLO"


def test_closing_wakes_a_reader(client: RemoteEngine) -> None:
    console = client.vms.console("web")
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(EOFError):
            read(console, 1)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    console.close()
    thread.join(15)
    assert ended.is_set()


def test_a_tunnel_lives_as_long_as_its_connection(client: RemoteEngine, engine: SmallEngine) -> None:
    tunnel = client.vms.graphics("web")
    assert (tunnel.address, tunnel.type, tunnel.password) == ("127.0.0.1:5900", "vnc", "secret")
    assert not engine.vms.tunnel.closed.is_set()
    tunnel.close()
    assert engine.vms.tunnel.closed.wait(10)
