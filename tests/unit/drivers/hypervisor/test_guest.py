"""How libvirt's words about guests' agents are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nebula.drivers.hypervisor.libvirt import guest
from nebula.drivers.hypervisor.libvirt.connection import Session, load_library
from nebula.errors import ConflictError, NebulaError

LIB = load_library()


class Refusing:
    """A domain whose agent libvirt cannot ask."""

    def __init__(self, code: int, words: str) -> None:
        self._code, self._words = code, words

    def name(self) -> str:
        return "one-7"

    def refuse(self, *_: Any) -> str:
        error = LIB.libvirtError("")
        error.err = (self._code, 0, self._words, 0, "", "", "", 0, 0)
        raise error


def test_an_agent_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "Guest agent is not responding: Guest agent not available for now"
    domain, asked = Refusing(LIB.VIR_ERR_AGENT_UNRESPONSIVE, words), list[int]()

    def answer(_: Any, command: str, seconds: int, flags: int) -> str:
        asked.append(seconds)
        return '{"return": {"pid": 7}}' if len(asked) == 3 else domain.refuse(command, flags)

    monkeypatch.setattr(guest, "load_agent_library", lambda: SimpleNamespace(qemuAgentCommand=answer))
    assert guest.ask(Session(LIB, None), domain, "h1", "guest-exec", {}, 30.0) == {"pid": 7}
    assert len(asked) == 3
    assert max(asked) <= 30


@pytest.mark.parametrize(
    ("code", "words", "kind", "said"),
    [
        (
            "VIR_ERR_AGENT_UNRESPONSIVE",
            "Guest agent is not responding: QEMU guest agent is not connected",
            ConflictError,
            "install",
        ),
        ("VIR_ERR_AGENT_UNRESPONSIVE", "QEMU guest agent is not available due to an error", ConflictError, "restart"),
        ("VIR_ERR_ARGUMENT_UNSUPPORTED", "QEMU guest agent is not configured", ConflictError, "install"),
        ("VIR_ERR_RPC", "Unable to encode message payload", NebulaError, "vm cp"),
        (
            "VIR_ERR_INTERNAL_ERROR",
            "unable to execute QEMU agent command 'guest-file-open': failed to open file '/x' (mode: 'rb'): No such file",
            NebulaError,
            "",
        ),
    ],
)
def test_a_silent_agent_says_what_helps(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str, kind: type[NebulaError], said: str
) -> None:
    domain = Refusing(getattr(LIB, code), words)
    monkeypatch.setattr(guest, "load_agent_library", lambda: SimpleNamespace(qemuAgentCommand=domain.refuse))
    with pytest.raises(kind) as caught:
        guest.ask(Session(LIB, None), domain, "h1", "guest-ping", {}, 1.0)
    assert said in caught.value.hint
    assert "one-7 on host h1" in caught.value.message or code == "VIR_ERR_RPC"
    assert caught.value.cause in words


def test_other_errors_are_the_connections_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Refusing(LIB.VIR_ERR_SYSTEM_ERROR, "broken pipe")
    monkeypatch.setattr(guest, "load_agent_library", lambda: SimpleNamespace(qemuAgentCommand=domain.refuse))
    with pytest.raises(LIB.libvirtError):
        guest.ask(Session(LIB, None), domain, "h1", "guest-ping", {}, 1.0)
