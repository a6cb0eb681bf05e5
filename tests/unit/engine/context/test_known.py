"""What docs/template.md says of OpenNebula's context variables is so."""

from __future__ import annotations

import pytest

from nebula.engine.context import check_context, variables
from nebula.engine.machines.hardware.declared import APART, CARRIED
from nebula.errors import UsageError

KNOWN = {attribute.name: attribute for attribute in APART["CONTEXT"]}


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_carried_arrives_as_it_is(name: str) -> None:
    assert variables("web", {name: "it's $x"}, [], ())[name] == "it's $x"


@pytest.mark.parametrize("name", ["TOKEN", "REPORT_READY", "ONEGATE_ENDPOINT"])
def test_a_guest_is_not_told_to_ask_whom_nobody_answers(name: str) -> None:
    assert KNOWN[name].status == "kept"
    assert name not in variables("web", {name: "YES"}, [], ())


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
