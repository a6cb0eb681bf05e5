"""An engine of a few verbs, whose every answer the tests know, and the socket it is served on."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nebula.engine.api.tables import Listing, Query
from nebula.engine.api.values import Accepted, Call, Detail, Event, Finding
from nebula.engine.api.verbs import Engine, Served
from nebula.errors import CommandError, NebulaError, all_errors
from nebula.rpc.plain import HELLO


def error_named(code: str) -> NebulaError:
    """One error of each class."""
    if code == "command":
        return CommandError("kvm1", ["qemu-img", "info"], 1, "no such file\n", hint="ls")
    return all_errors()[code](f"{code} happened", cause="because ü", hint="nebula status")


class Vms:
    """`created` has every call that was worked on; `after` runs once, after the work and before the answer."""

    secret = "not for sale"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Accepted] = {}
        self.after: list[Any] = []
        self.console_stream = Echo()
        self.tunnel = Door()

    def list(self, query: Query) -> Listing:
        return Listing(columns=query.columns, rows=[[number, None, 1.5, "ü"] for number in range(query.limit)])

    def show(self, ref: str, refresh: bool = False) -> Detail:
        if ref.startswith("error:"):
            raise error_named(ref.removeprefix("error:"))
        if ref == "bug":
            raise ZeroDivisionError("a secret word")
        if ref == "disk":
            raise OSError(28, "no space left")
        if ref == "unsendable":
            return Detail(kind="vm", id=1, name="\ud800", body={})
        return Detail(kind="vm", id=1, name=ref, body={"refresh": refresh})

    def create(self, template: Mapping[str, Any], call: Call, hold: bool = False) -> Accepted:
        self.calls.append(call)
        answer = self.answers.setdefault(call.key, Accepted(kind="vm", id=len(self.answers), name=str(template.get("NAME"))))
        while self.after:
            self.after.pop()()
        return answer

    def console(self, ref: str) -> Echo:
        return self.console_stream

    def graphics(self, ref: str) -> Door:
        return self.tunnel

    def _change(self) -> str:
        return self.secret


class Echo:
    """Gives back what is typed, upper-case; ends at a "q"."""

    def __init__(self) -> None:
        self._typed: queue.Queue[bytes] = queue.Queue()
        self.closed = threading.Event()

    def read(self, timeout: float) -> bytes:
        try:
            data = self._typed.get(timeout=min(timeout, 0.05))
        except queue.Empty:
            return b""
        if b"q" in data:
            raise EOFError
        return data.upper()

    def write(self, data: bytes) -> None:
        self._typed.put(data)

    def close(self) -> None:
        self.closed.set()


class Door:
    address, type, password = "127.0.0.1:5900", "vnc", "secret"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class Hosts:
    """`check` answers when it is let: `begun` says that it has begun."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def check(self, ref: str) -> list[Finding]:
        self.begun.set()
        self.let.wait(20)
        return [Finding(where=ref, check="reach", level="ok", text="it answers")]


class Events:
    """Pushes what tests put in; `ended` is set when a follower was let go."""

    def __init__(self) -> None:
        self.journal: list[Event] = []
        self.arrived = threading.Condition()
        self.ended = threading.Event()

    def add(self, text: str) -> None:
        with self.arrived:
            number = len(self.journal) + 1
            self.journal.append(
                Event(seq=number, at=0.0, kind="test", object_kind="vm", object_id=1, actor="", body={"text": text})
            )
            self.arrived.notify_all()

    def follow(self, after: int = -1) -> Iterator[Event | None]:
        seen = after if after >= 0 else len(self.journal)
        try:
            while True:
                with self.arrived:
                    if len(self.journal) <= seen:
                        self.arrived.wait(0.05)
                    fresh = self.journal[seen:]
                yield from fresh
                seen += len(fresh)
                yield None
        finally:
            self.ended.set()


class SmallEngine:
    def __init__(self) -> None:
        self.vms, self.hosts, self.events = Vms(), Hosts(), Events()
        self.system = SimpleNamespace(backup=self.backup, stop=self.stop)
        self.backups: list[str] = []
        self.stops: list[Call] = []
        self.after: list[Any] = []

    def backup(self, path: str) -> str:
        self.backups.append(path)
        self._afterwards()
        return path

    def stop(self, call: Call) -> Accepted:
        self.stops.append(call)
        self._afterwards()
        return Accepted(kind="engine", id=0, name="")

    def _afterwards(self) -> None:
        while self.after:
            self.after.pop()()

    @property
    def facade(self) -> Served:
        return cast(Served, self)

    def seen_by(self, actor: str) -> Engine:
        return self.facade


class Talk:
    """A client that says what it likes."""

    def __init__(self, path: Path, *, hello: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self._lines = self.socket.makefile("rb")
        if hello:
            assert self.say(HELLO)["result"]["protocol"] == 1

    def say(self, data: bytes) -> dict[str, Any]:
        self.socket.sendall(data)
        return self.hear()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self.say(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """The next line; {} at the end."""
        try:
            line = self._lines.readline()
        except ConnectionResetError:
            return {}
        found: dict[str, Any] = json.loads(line) if line else {}
        return found

    def close(self) -> None:
        self._lines.close()
        self.socket.close()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
