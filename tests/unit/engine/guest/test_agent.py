"""What a guest's agent answers is never believed."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nebula.drivers.base import Hypervisor
from nebula.engine.guest.agent import CHUNK, GuestAgent
from nebula.errors import CapacityError, NebulaError, UsageError


def agent(answers: Mapping[str, Any]) -> GuestAgent:
    """One whose agent answers just so."""

    def ask(uuid: str, command: str, arguments: Mapping[str, Any], *, timeout: float) -> Any:
        return answers.get(command, {})

    return GuestAgent(cast(Hypervisor, SimpleNamespace(ask_agent=ask)), "u")


@pytest.mark.parametrize("answer", [None, [], {"pid": "7"}, {"pid": None}, "x", {}])
def test_a_program_without_a_number(answer: Any) -> None:
    with pytest.raises(NebulaError, match="nobody understands"):
        agent({"guest-exec": answer}).execute(["true"], b"")


@pytest.mark.parametrize("text", ["%%%", 7, "YQ"])
def test_bytes_that_are_none(text: Any) -> None:
    with pytest.raises(NebulaError, match="nobody understands"):
        agent({"guest-exec-status": {"exited": True, "exitcode": 0, "out-data": text}}).executed(1)
    with pytest.raises(NebulaError, match="nobody understands"):
        agent({"guest-file-read": {"buf-b64": text}}).read(1, 0, 10)


@pytest.mark.parametrize("count", [-1, 5, 0])
def test_more_or_less_than_was_written(count: int) -> None:
    with pytest.raises(CapacityError):
        agent({"guest-file-write": {"count": count}}).write(1, 0, b"abcd")


def test_a_signal_and_a_cut() -> None:
    told = agent({"guest-exec-status": {"exited": True, "signal": 15, "out-truncated": True}}).executed(1)
    assert (told.ended, told.status, told.signal, told.cut) == (True, 0, 15, True)


@pytest.mark.parametrize("words", [[], [""], ["a\0b"], ["x" * (1 << 18)], ["x"] * 5000])
def test_command_lines_that_no_guest_takes(words: list[str]) -> None:
    with pytest.raises(UsageError):
        agent({}).execute(words, b"")


def test_too_much_at_once() -> None:
    with pytest.raises(UsageError):
        agent({}).execute(["cat"], bytes(3 << 20))
    with pytest.raises(UsageError):
        agent({}).write(1, 0, bytes(CHUNK + 1))


@pytest.mark.parametrize("path", ["", "x", "./x", "/a\0b", "/" + "x" * 5000])
def test_paths_that_no_guest_has(path: str) -> None:
    with pytest.raises(UsageError):
        agent({"guest-file-open": 1}).open(path, "read")
