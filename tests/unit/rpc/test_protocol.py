"""Whatever a peer says: an answer or an end, and the next client is served."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebula.engine.api.tables import Query
from nebula.errors import VersionError
from nebula.rpc import limits, plain
from nebula.rpc.server import Server
from tests.unit.rpc.small import SmallEngine, Talk

SERVED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("host", "vm", "event", "system", "vms", "job", "list", "show", "_change", "__class__", "__init__", "create")


def code(answer: dict[str, Any]) -> str:
    return str(answer["error"]["data"]["code"])


@SERVED
@given(data=st.binary(max_size=400))
def test_garbage_before_hello_ends_the_connection(server: Server, data: bytes) -> None:
    with Talk(server.path, hello=False) as talk:
        answer = talk.say(data.replace(b"\n", b" ") + b"\n")
        assert code(answer) == "usage"
        assert talk.hear() == {}


@SERVED
@given(data=st.binary(min_size=1, max_size=400))
def test_garbage_after_hello_is_answered_and_the_next_request_works(server: Server, data: bytes) -> None:
    with Talk(server.path) as talk:
        assert code(talk.say(data.replace(b"\n", b" ") + b"\n")) in {"usage", "version"}
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


@SERVED
@given(method=st.sampled_from(NAMES), verb=st.sampled_from(NAMES) | st.text(max_size=8), params=PLAIN, number=PLAIN)
def test_any_request_gets_one_answer(server: Server, method: str, verb: str, params: object, number: object) -> None:
    if verb == "follow":
        return
    line = json.dumps({"id": number, "method": f"{method}.{verb}", "params": params}).encode() + b"\n"
    with Talk(server.path) as talk:
        assert ("result" in (answer := talk.say(line))) != ("error" in answer)
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


@pytest.mark.parametrize(
    "method",
    ["vm._change", "vm.__class__", "vm.__init__", "vm.secret", "vm.calls", "__class__.show", "close", "vms.show", "vm.", ".",
     "", "vm.show.__call__", "rpc.discover", "hello", "_engine.show"],
)  # fmt: skip
def test_nothing_but_the_facades_verbs_can_be_called(server: Server, method: str) -> None:
    with Talk(server.path) as talk:
        answer = talk.ask(method, ref="a")
        assert answer["error"]["code"] == -32601
        assert code(answer) == "version"
        assert SmallEngine().vms.secret not in json.dumps(answer)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("vm.show", {}),
        ("vm.show", {"ref": 7}),
        ("vm.show", {"ref": "a", "refresh": "yes"}),
        ("vm.show", {"ref": "a", "other": 1}),
        ("vm.create", {"template": {}}),
        ("vm.create", {"template": [], "call": {}}),
        ("vm.recover", {"ref": "1", "operation": "explode", "call": {}}),
        ("vm.list", {"query": [[], [], [], "7"]}),
        ("vm.list", {"query": {}}),
        ("event.list", {"after": 1.5}),
    ],
)
def test_wrong_parameters_are_usage_errors(server: Server, method: str, params: dict[str, Any]) -> None:
    with Talk(server.path) as talk:
        answer = talk.ask(method, **params)
        assert (answer["error"]["code"], code(answer)) == (-32602, "usage")
        assert method in answer["error"]["data"]["message"]


def test_parameters_by_position_are_refused(server: Server) -> None:
    with Talk(server.path) as talk:
        assert code(talk.say(b'{"id":1,"method":"vm.show","params":["a"]}\n')) == "usage"


def test_an_endlessly_nested_line_is_refused(server: Server) -> None:
    with Talk(server.path) as talk:
        line = b'{"id":1,"method":"vm.create","params":{"template":{"A":' + b"[" * 100_000 + b"]" * 100_000 + b'},"call":{}}}\n'
        assert code(talk.say(line)) == "usage"
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


def test_a_line_that_never_ends_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_REQUEST", 1 << 16)
    with Talk(server.path) as talk:
        try:
            for _ in range(64):
                talk.socket.sendall(b"x" * 4096)
        except OSError:
            pass
        assert code(talk.hear() or {"error": {"data": {"code": "usage"}}}) == "usage"
    with Talk(server.path) as talk:
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"


def test_half_a_line_is_waited_for_no_longer_than_its_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE", 0.2)
    with Talk(server.path) as talk:
        assert talk.say(b'{"id":1,"method":"vm.sh') == {}


def test_who_says_nothing_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO", 0.2)
    with Talk(server.path, hello=False) as talk:
        assert talk.hear() == {}


def test_a_verb_before_hello_is_refused(server: Server) -> None:
    with Talk(server.path, hello=False) as talk:
        answer = talk.ask("vm.show", ref="a")
        assert "hello" in answer["error"]["message"]
        assert talk.hear() == {}


@pytest.mark.parametrize("protocol", [0, 2, 999])
def test_another_protocol_is_told_so_on_both_sides(server: Server, protocol: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Talk(server.path, hello=False) as talk:
        line = plain.encode("hello", {"protocol": protocol, "version": "9.9"}, 0)
        answer = talk.say(line)
        assert code(answer) == "version"
        assert f"protocol {protocol}" in answer["error"]["message"]
        assert talk.hear() == {}
    assert f"protocol {protocol}" in caplog.text


def test_a_client_refuses_a_server_of_another_protocol() -> None:
    with pytest.raises(VersionError, match="protocol 2"):
        plain.check_hello({"protocol": 2, "version": "9.9"})
    with pytest.raises(VersionError):
        plain.check_hello("SSH-2.0-OpenSSH_9.2")


def test_the_actor_is_the_peer_whatever_it_says(server: Server, engine: SmallEngine) -> None:
    with Talk(server.path) as talk:
        talk.ask("vm.create", template={"NAME": "a"}, call={"actor": "root and king", "key": "k", "dry_run": True})
    assert [(call.actor, call.key, call.dry_run) for call in engine.vms.calls] == [(f"uid {os.geteuid()}", "k", True)]


def test_a_fault_is_logged_and_says_nothing_of_itself(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with Talk(server.path) as talk:
        for ref in ("bug", "disk", "unsendable"):
            answer = talk.ask("vm.show", ref=ref)
            assert answer["error"]["code"] == -32603
            assert "secret" not in json.dumps(answer)
        assert talk.ask("vm.show", ref="a")["result"]["name"] == "a"
    assert "ZeroDivisionError: a secret word" in caplog.text


def test_plain_calls_need_nothing_but_json(server: Server) -> None:
    query = Query(columns=("id", "name"), limit=2)
    columns, rows, as_of = plain.call(server.path, "vm.list", {"query": list(query)})
    assert (columns, rows, as_of) == (["id", "name"], [[0, None, 1.5, "ü"], [1, None, 1.5, "ü"]], 0.0)


def test_the_hot_path_imports_little(tmp_path: Path) -> None:
    heavy = ("msgspec", "dataclasses", "typing", "asyncio", "hashlib", "inspect", "pathlib", "logging", "threading")
    script = f"import sys; import nebula.rpc.plain; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
