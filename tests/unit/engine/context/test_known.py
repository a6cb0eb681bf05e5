"""What docs/template.md says of OpenNebula's context variables is so."""

from __future__ import annotations

import pytest

from nebula.engine.context import GateContext, check_context, token_file, variables
from nebula.engine.machines.hardware.declared import APART, CARRIED
from nebula.errors import UsageError

KNOWN = {attribute.name: attribute for attribute in APART["CONTEXT"]}


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_carried_arrives_as_it_is(name: str) -> None:
    assert variables("web", {name: "it's $x"}, [], ())[name] == "it's $x"


@pytest.mark.parametrize("name", ["TOKEN", "REPORT_READY", "ONEGATE_ENDPOINT"])
@pytest.mark.parametrize("gate", [GateContext(), GateContext(7, "secret"), GateContext(7, "", "http://gate")])
def test_a_guest_is_not_told_to_ask_whom_nobody_answers(name: str, gate: GateContext) -> None:
    assert KNOWN[name].status == "done"
    assert name not in variables("web", {name: "YES"}, [], (), gate)


GATE = GateContext(7, "secret", "http://gate:5030")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {}),
        ({"TOKEN": "NO", "REPORT_READY": "", "ONEGATE_ENDPOINT": "http://own"}, {}),
        ({"TOKEN": "yes"}, {"TOKEN": "YES", "VMID": "7", "ONEGATE_ENDPOINT": "http://gate:5030"}),
        (
            {"REPORT_READY": "YES", "VMID": "9", "READY_SCRIPT": "true"},
            {"TOKEN": "YES", "VMID": "7", "ONEGATE_ENDPOINT": GATE.endpoint, "REPORT_READY": "YES", "READY_SCRIPT": "true"},
        ),
        (
            {"TOKEN": "YES", "ONEGATE_ENDPOINT": "http://169.254.16.9:5030"},
            {"TOKEN": "YES", "VMID": "7", "ONEGATE_ENDPOINT": "http://169.254.16.9:5030"},
        ),
    ],
)
def test_a_guest_that_is_to_report_is_told_where(given: dict[str, str], told: dict[str, str]) -> None:
    made = variables("web", given, [], (), GATE)
    assert {name: value for name, value in made.items() if name not in {"NETWORK", "SET_HOSTNAME"}} == told
    assert token_file(made, GATE) == ({"token.txt": b"secret\n"} if told else {})
    assert "secret" not in str(made)


def test_what_is_refused_is_refused() -> None:
    refused = [name for name, attribute in KNOWN.items() if attribute.status == "refused"]
    assert refused == ["FILES"]
    with pytest.raises(UsageError):
        check_context({"FILES": "/etc/hosts"})


def test_every_other_one_passes() -> None:
    words = {"USER_DATA_ENCODING": "base64", "USERDATA_ENCODING": "base64"}
    for name, attribute in KNOWN.items():
        if attribute.status != "refused":
            check_context({name: words.get(name, "aGk=")})
