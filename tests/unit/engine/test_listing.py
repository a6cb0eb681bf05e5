"""The statements of lists: what they read is what they return."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.api.columns import SOURCES
from nebula.engine.api.tables import Query
from nebula.engine.filters import decode
from nebula.engine.listing import columns, statement
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim, template


def sql(noun: str, query: Query) -> tuple[str, list[Any]]:
    source = SOURCES[noun]
    return statement(source, query, columns(source, query.columns), decode, paged=True)


def plan(sim: Sim, noun: str, query: Query) -> str:
    text, parameters = sql(noun, query)
    return "\n".join(str(row[3]) for row in sim.engine.services.store.read().rows(f"EXPLAIN QUERY PLAN {text}", parameters))


@pytest.mark.parametrize(
    ("noun", "names", "joined"),
    [
        ("host", ("id", "name"), set()),
        ("host", ("vms",), {"promised"}),
        ("vm", ("name",), set()),
        ("vm", ("host",), {"host"}),
        ("image", ("datastore",), {"datastore"}),
    ],
)
def test_other_tables_are_read_only_for_columns_that_need_them(noun: str, names: tuple[str, ...], joined: set[str]) -> None:
    text, _ = sql(noun, Query(columns=names))
    joins = dict(SOURCES[noun].joins)
    assert {name for name, join in joins.items() if join in text} == joined


def test_a_condition_or_an_order_needs_its_table_too() -> None:
    joins = dict(SOURCES["vm"].joins)
    assert joins["host"] in sql("vm", Query(columns=("name",), filters=(("host", "=", "h1"),)))[0]
    assert joins["cluster"] in sql("vm", Query(columns=("name",), sort=("-cluster",)))[0]


def test_vms_in_a_state_are_found_by_an_index(sim: Sim) -> None:
    for number in range(3):
        sim.engine.vms.create(template(f"vm-{number}"), CALL, hold=number != 1)
    sim.settle()
    running = Query(columns=("name",), filters=(("state", "=", "RUNNING"),))
    assert "vm_state_lcm_state" in plan(sim, "vm", running)
    assert sim.engine.vms.list(running).rows == [["vm-1"]]
    assert sim.engine.vms.list(Query(columns=("name",), filters=(("state", "=", "HOLD"),))).rows == [["vm-0"], ["vm-2"]]
    assert len(sim.engine.vms.list(Query(filters=(("state", "!=", "HOLD"),))).rows) == 1


def test_a_comma_separates_values_of_which_one_may_hold_or_none() -> None:
    found = sql("vm", Query(columns=("name",), filters=(("state", "=", "RUNNING,HOLD"), ("host", "!=", "h1, h2*"))))
    assert found[1] == [3, 3, 2, 0, "h1", "h2%"]


def test_values_after_a_comma_are_found_by_the_same_index(sim: Sim) -> None:
    for name, host in (("one", "h1"), ("two", "h2"), ("three", "h3")):
        sim.add_vm(name, HOST=host)
    sim.engine.vms.create(template("held"), CALL, hold=True)

    def names(*filters: tuple[str, str, str]) -> list[str]:
        return [str(row[0]) for row in sim.engine.vms.list(Query(columns=("name",), filters=filters)).rows]

    either = Query(columns=("name",), filters=(("state", "=", "RUNNING,HOLD"),))
    assert plan(sim, "vm", either).count("vm_state_lcm_state") == 2
    assert names(("state", "=", "running,hold")) == ["one", "two", "three", "held"]
    assert names(("host", "=", "h1,h3")) == ["one", "three"]
    assert names(("host", "=", "h2,")) == ["two", "held"], "nothing after a comma is one that has none"
    assert names(("host", "!=", "h1,h3")) == ["two", "held"]
    assert names(("name", "=", "t*,held"), ("state", "!=", "HOLD,POWEROFF")) == ["two", "three"]
    assert names(("id", "=", "0,1")) == ["one"]


@pytest.mark.parametrize("value", ["RUNNING,RUNING", "RUNNING,," + "HOLD," * 500])
def test_every_value_after_a_comma_must_make_sense(value: str) -> None:
    with pytest.raises(UsageError):
        sql("vm", Query(filters=(("state", "=", value),)))


def test_what_hosts_have_promised_is_listed_without_a_look_at_vms(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.add_vm("two", HOST="h1", MEMORY=256)
    query = Query(columns=("name", "vms", "cpu_allocated", "memory_allocated"))
    assert " vm" not in plan(sim, "host", query)
    assert " vm" not in plan(sim, "cluster", Query(columns=("name", "hosts", "vms")))
    assert sim.engine.hosts.list(query).rows == [["h1", 2, 200, 384], ["h2", 0, 0, 0], ["h3", 0, 0, 0]]
