"""The wire has the façade's verbs, all of them, and no more."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from nebula.engine.api import verbs
from nebula.engine.api.values import Call
from nebula.errors import VersionError
from nebula.rpc import methods

NOUNS = {
    "declaration",
    "drs",
    "host",
    "cluster",
    "datastore",
    "image",
    "network",
    "vm",
    "securitygroup",
    "vmgroup",
    "template",
    "job",
    "event",
    "onegate",
    "system",
    "metrics",
    "schedule",
    "backup",
}


def test_nouns_are_singular_on_the_wire() -> None:
    assert {method.wire.partition(".")[0] for method in methods.every()} == NOUNS


@pytest.mark.parametrize("method", methods.every(), ids=lambda method: method.wire)
def test_every_verb_has_its_protocols_parameters(method: methods.Method) -> None:
    kind = methods.nouns()[method.noun]
    expected = list(inspect.signature(getattr(kind, method.verb)).parameters)[1:]
    assert list(method.params.__struct_fields__) == expected
    assert method.changes == ("call" in expected)
    assert methods.find(method.wire) is method


def test_streams_are_the_three() -> None:
    assert {method.wire for method in methods.every() if method.streams} == {"vm.console", "vm.graphics", "event.follow"}
    assert {method.wire for method in methods.every()} >= methods.ONCE


def test_defaults_come_from_the_protocol() -> None:
    params = methods.find("vm.migrate").parse(b'{"ref":"1","host":"","call":{}}')
    left = {"live": False, "force": False, "hard": False}
    assert methods.arguments(params) == {"ref": "1", "host": "", "call": Call(), **left}
    assert set(msgspec.to_builtins(params)) == {"ref", "host", "call"}


def test_unknown_verbs_are_not_found() -> None:
    with pytest.raises(VersionError, match=r"vm\.explode"):
        methods.find("vm.explode")
    assert not hasattr(verbs.Vms, "explode")
