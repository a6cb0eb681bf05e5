"""Attributes that people set on hosts, clusters, datastores and networks."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.local.attributes import with_attributes
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim

OBJECTS = {"hosts": "h1", "clusters": "default", "datastores": "disks", "networks": "lan"}


@pytest.mark.parametrize("noun", OBJECTS)
def test_attributes_are_set_changed_and_taken_away(sim: Sim, noun: str) -> None:
    part, name = getattr(sim.engine, noun), OBJECTS[noun]
    part.update(name, {"attributes": {"rack": 7, "SSD": "YES"}}, CALL)
    part.update(name, {"attributes": {"RACK": "", "ZONE": "a"}}, CALL)
    assert part.show(name).body["attributes"] == {"SSD": "YES", "ZONE": "a"}
    assert sim.engine.events.list()[-1].kind in {f"{noun[:-1]}.updated", "host.state"}
    with pytest.raises(UsageError, match="has no 'colour' to change"):
        part.update(name, {"colour": "blue"}, CALL)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("RACK=7", "attributes are a group"),
        ({"no name": 1}, "is no attribute name"),
        ({"A": object()}, "A has no value that can be used"),
        ({"A": {"B": {"C": 1}}}, "A/B has no value that can be used"),
        ({"A": "x" * 5000}, "A has no value that can be used"),
        ({f"A{number}": "1" for number in range(300)}, "more than 256 attributes"),
    ],
)
def test_what_is_no_attribute_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        with_attributes({}, given)


def test_an_attribute_may_be_a_group() -> None:
    assert with_attributes({}, {"gpu": {"model": "A100"}}) == {"attributes": {"GPU": {"MODEL": "A100"}}}


def test_what_else_the_body_holds_stays() -> None:
    assert with_attributes({"facts": {"a": 1}, "attributes": {"B": "2"}}, {"C": True}) == {
        "facts": {"a": 1},
        "attributes": {"B": "2", "C": True},
    }
