"""What guests ask, and what they are answered."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.onegate.door import GUESSES, MINUTE, REPORTS, Door, said
from nebula.onegate.exchange import Asked
from tests.support.sim import CALL, Sim

from .conftest import Guest


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(sim: Sim, clock: Clock) -> Door:
    return Door(sim.engine, clock)


def request(method: str, target: str, guest: Guest | None, body: bytes = b"", **headers: str) -> Asked:
    known = {name.lower(): value for name, value in guest.headers.items()} if guest else {}
    given_too = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method, target, {**known, **given_too}, body)


def put(door: Door, guest: Guest, body: bytes, target: str = "/vm") -> tuple[int, str]:
    answer = door.answer(request("PUT", target, guest, body), "10.0.0.9")
    return answer.status, answer.body.decode()


def shown(door: Door, guest: Guest, target: str = "/vm") -> dict[str, Any]:
    answer = door.answer(request("GET", target, guest), "10.0.0.9")
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_a_guest_sees_its_vm_as_opennebula_tells_it(sim: Sim, door: Door, guest: Guest) -> None:
    vm = sim.vm("one")
    assert shown(door, guest) == {
        "VM": {
            "NAME": "one",
            "ID": str(vm.id),
            "STATE": "3",
            "LCM_STATE": "3",
            "USER_TEMPLATE": {"ROLE": "web", "DB_PASSWORD": "(hidden)"},
            "TEMPLATE": {
                "NIC": [{"NAME": "NIC0", "NETWORK": "lan", "MAC": vm.body["nics"][0]["mac"], "IP": vm.ips}],
            },
        }
    }
    assert shown(door, guest, f"/vms/{vm.id}") == shown(door, guest, "//vm/")
    assert shown(door, guest, "/") == {"vm_info": "http://127.0.0.1:1/vm"}


def test_curl_reports_ready_and_the_program_onegate_more(sim: Sim, door: Door, guest: Guest) -> None:
    assert put(door, guest, b"READY=YES") == (200, "")
    assert put(door, guest, b"data=COLOUR%3Dblue%0ANOTE%3D%22a+b+%26+c%22&type=1") == (200, "")
    assert put(door, guest, b'HOSTS=[A="1",B="2"]\n', f"/vms/{guest.id}") == (200, "")
    user = shown(door, guest)["VM"]["USER_TEMPLATE"]
    assert user["READY"] == "YES"
    assert (user["COLOUR"], user["NOTE"], user["HOSTS"]) == ("blue", "a b & c", {"A": "1", "B": "2"})
    assert put(door, guest, b"data=COLOUR&type=2") == (200, "")
    assert put(door, guest, b"HOSTS NOTE", "/vm?type=2") == (200, "")
    assert shown(door, guest)["VM"]["USER_TEMPLATE"].keys() == {"ROLE", "DB_PASSWORD", "READY"}
    assert sim.engine.vms.show("one").body["template"]["ROLE"] == "web"


def test_it_knows_of_its_aliases(sim: Sim, door: Door) -> None:
    sim.add_vm(
        "two",
        CONTEXT={"TOKEN": "YES"},
        NIC=[{"NETWORK": "lan", "NAME": "front"}],
        NIC_ALIAS=[{"NETWORK": "lan", "PARENT": "front"}],
    )
    found = shown(door, Guest(sim, "two"))["VM"]["TEMPLATE"]
    assert [card["NAME"] for card in found["NIC"]] == ["front"]
    assert [(alias["PARENT"], alias["NETWORK"], alias["IP"]) for alias in found["NIC_ALIAS"]] == [
        ("front", "lan", sim.vm("two").body["nics"][0]["aliases"][0]["ip"])
    ]


REFUSED = {
    b"MEMORY=4096": 403,
    b'SCHED_REQUIREMENTS="NAME=h1"': 403,
    b"SCHED_SOMETHING_NEW=1": 403,
    b"SERVICE_ID=3": 403,
    b"CONTEXT=[TOKEN=NO]": 403,
    b"DISK=[IMAGE=base]": 403,
    b"PCI=[VENDOR=8086]": 403,
    b"A=1\nVCPU=3": 403,
    b"READY": 400,
    b"A=[B=[C=1]]": 400,
    b"\xff\xfe": 400,
    b"A=\0": 400,
    b"A.B=1": 400,
    b"data=A%3D1&type=3": 400,
    b"A=" + b"x" * 40000: 413,
}


def test_what_is_not_for_a_guest_to_say_changes_nothing(sim: Sim, door: Door, guest: Guest) -> None:
    before = sim.everything()
    for body, status in REFUSED.items():
        answer = put(door, guest, body)
        assert (answer[0], bool(answer[1])) == (status, True), body[:60]
    assert sim.everything() == before


def test_what_there_is_not(door: Door, guest: Guest) -> None:
    for method, target, status in (
        ("GET", "/service", 404),
        ("GET", "/vrouter", 404),
        ("GET", "/vms/999", 403),
        ("PUT", "/vms/999", 403),
        ("POST", "/vms/999/action", 403),
        ("DELETE", "/vm", 405),
        ("GET", "http://[gate/vm", 404),
        ("GET", "*", 404),
    ):
        assert door.answer(request(method, target, guest), "10.0.0.9").status == status, target


def test_without_the_token_nothing_is_told(door: Door, guest: Guest) -> None:
    tokens = ("", "x", "é" * 64, "0" * 64, guest.token[:-1], guest.token * 5, None)
    numbers = ("", "-1", "1e3", "٣", "9" * 30, "0", guest.told["VMID"], None)
    for peer, (token, number) in enumerate(itertools.product(tokens, numbers)):
        headers = {"x-onegate-token": token, "x-onegate-vmid": number}
        asked = Asked("GET", "/vm", {name: value for name, value in headers.items() if value is not None}, b"")
        answer = door.answer(asked, f"10.0.1.{peer}")
        assert (answer.status, answer.body) == (401, b"Not authorized\n"), (token, number)


def test_a_token_opens_its_own_vm_alone(sim: Sim, door: Door, guest: Guest) -> None:
    sim.add_vm("two", CONTEXT={"TOKEN": "YES"})
    other = Guest(sim, "two")
    assert other.token != guest.token
    wrong = request("GET", "/vm", guest, x_onegate_vmid=str(other.id))
    assert door.answer(wrong, "10.0.0.9").status == 401
    assert door.answer(request("GET", "/vm", guest, x_onegate_vmid=str(sim.vm("one").id)), "10.0.0.9").status == 200


def test_guessing_is_stopped_for_a_while_where_it_comes_from(door: Door, clock: Clock, guest: Guest) -> None:
    wrong = request("GET", "/vm", guest, x_onegate_token="0" * 64)
    assert [door.answer(wrong, "10.0.0.66").status for _ in range(GUESSES + 2)] == [401] * GUESSES + [429] * 2
    right = request("GET", "/vm", guest)
    held = door.answer(right, "10.0.0.66")
    assert (held.status, held.later) == (429, MINUTE)
    assert door.answer(right, "10.0.0.9").status == 200, "who did not guess is answered"
    clock.now += MINUTE
    assert door.answer(right, "10.0.0.66").status == 200


def test_a_guest_that_reports_without_end_is_told_to_wait(door: Door, clock: Clock, guest: Guest) -> None:
    assert {put(door, guest, b"A=1")[0] for _ in range(REPORTS)} == {200}
    assert put(door, guest, b"A=1")[0] == 429
    assert shown(door, guest)
    clock.now += MINUTE
    assert put(door, guest, b"A=2")[0] == 200


def test_a_vm_that_is_gone_has_no_token(sim: Sim, door: Door, guest: Guest) -> None:
    sim.engine.vms.terminate("one", CALL, hard=True)
    sim.settle()
    assert door.answer(request("GET", "/vm", guest), "10.0.0.9").status == 401


@given(st.binary(max_size=200), st.sampled_from(["/vm", "/vm?type=2", "/vm?type=1", "/vm?type=", "/vm?%%"]))
def test_any_body_is_read_or_refused(body: bytes, target: str) -> None:
    try:
        found = said(Asked("PUT", target, {}, body))
    except UsageError:
        return
    assert all(isinstance(name, str) and name for name in found)
