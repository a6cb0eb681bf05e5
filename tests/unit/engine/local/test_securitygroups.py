"""Security groups: their rules, who has them, and what hosts are told of cards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.engine.api.values import Accepted, Call, Query
from nebula.engine.monitor.unfiltered import filter_again
from nebula.engine.store.rows import HostRow, JobRow
from nebula.errors import ConflictError, NotFoundError, UsageError
from nebula.model.firewall import CardFilter, FilterRule
from tests.support.sim import CALL, Sim

WEB = {"PROTOCOL": "tcp", "RULE_TYPE": "INBOUND", "RANGE": "443, 80-90,85"}
OUT = {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}


def create(sim: Sim, name: str, *rules: dict[str, Any]) -> Accepted:
    return sim.engine.securitygroups.create({"name": name, "rules": list(rules)}, CALL)


def update(sim: Sim, name: str, **changes: Any) -> Accepted:
    accepted = sim.engine.securitygroups.update(name, changes, CALL)
    sim.settle()
    return accepted


def network(sim: Sim, name: str, first: str, *groups: str) -> None:
    spec = {"name": name, "driver": "sim", "ranges": [{"IP": first, "SIZE": 20}], "security_groups": list(groups)}
    sim.engine.networks.create(spec, CALL)


def vm(sim: Sim, name: str, **nic: Any) -> None:
    sim.add_vm(name, NIC=[nic])
    assert sim.state(name) == "RUNNING"


def filters(sim: Sim) -> dict[str, dict[str, CardFilter]]:
    """Host -> tap -> what passes."""
    found: dict[str, dict[str, CardFilter]] = {}
    for host, tap, text in sim.world.db.all("SELECT host, tap, filter FROM filters ORDER BY host, tap"):
        found.setdefault(host, {})[tap] = msgspec.json.decode(text, type=CardFilter)
    return found


def of(sim: Sim, name: str) -> CardFilter | None:
    """What passes the first card of a VM."""
    tap = f"one-{sim.vm(name).id}-0"
    found = [taps[tap] for taps in filters(sim).values() if tap in taps]
    assert len(found) < 2
    return found[0] if found else None


def inbound(wanted: CardFilter | None) -> list[FilterRule]:
    assert wanted is not None
    return [rule for rule in wanted.rules or () if rule.inbound]


def test_every_home_has_a_group_that_is_closed_inbound(sim: Sim) -> None:
    shown = sim.engine.securitygroups.show("default").body
    assert shown["rules"] == [{"number": 0, "PROTOCOL": "ALL", "RULE_TYPE": "outbound"}]
    with pytest.raises(ConflictError):
        sim.engine.securitygroups.remove("default", CALL)
    with pytest.raises(ConflictError):
        sim.engine.securitygroups.rename("default", "x", CALL)


def test_rules_have_one_form(sim: Sim) -> None:
    create(sim, "app")
    network(sim, "lan2", "10.9.1.10")
    create(
        sim, "web", WEB, WEB, {"PROTOCOL": "icmp", "RULE_TYPE": "inbound", "ICMP_TYPE": "8", "IP": "10.0.0.5", "SIZE": "3"},
        {"PROTOCOL": "ALL", "RULE_TYPE": "inbound", "SECURITY_GROUP": "web"},
        {"PROTOCOL": "UDP", "RULE_TYPE": "outbound", "NETWORK": "lan2"},
    )  # fmt: skip
    rules = sim.engine.securitygroups.show("web").body["rules"]
    assert [{key: value for key, value in rule.items() if key != "number"} for rule in rules] == [
        {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "80:90,443"},
        {"PROTOCOL": "ICMP", "RULE_TYPE": "inbound", "ICMP_TYPE": "8", "IP": "10.0.0.5/32,10.0.0.6/31"},
        {"PROTOCOL": "ALL", "RULE_TYPE": "inbound", "SECURITY_GROUP_ID": "3", "SECURITY_GROUP": "web"},
        {"PROTOCOL": "UDP", "RULE_TYPE": "outbound", "NETWORK_ID": "2", "NETWORK": "lan2"},
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"PROTOCOL": "GRE", "RULE_TYPE": "inbound"}, {"PROTOCOL": "TCP"}, {**WEB, "RANGE": "90:80"},
        {**WEB, "RANGE": "65536"}, {**WEB, "RANGE": "http"}, {**OUT, "RANGE": "80"}, {**WEB, "ICMP_TYPE": "8"},
        {**OUT, "IP": "10.0.0.300"}, {**OUT, "IP": "10.0.0.1", "SIZE": "0"}, {**OUT, "SIZE": "3"}, {**OUT, "PORT": "80"},
        {**OUT, "IP": "10.0.0.1", "SECURITY_GROUP": "default"}, {**OUT, "IP": "10.0.0.9-10.0.0.1"},
        {**OUT, "PROTOCOL": "ICMP", "ICMP_TYPE": "256"}, {**OUT, "IP": "10.0.0.1; drop"},
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(sim: Sim, rule: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        create(sim, "web", rule)
    assert caught.value.hint


def test_what_a_rule_names_must_be_there(sim: Sim) -> None:
    for peer in ({"SECURITY_GROUP": "nobody"}, {"NETWORK": "nowhere"}, {"NETWORK_ID": "77"}):
        with pytest.raises(NotFoundError):
            create(sim, "web", {**OUT, **peer})


def test_the_group_that_opennebula_has_for_everything_is_not_ours(sim: Sim) -> None:
    card = {"NETWORK": "lan", "SECURITY_GROUPS": "0"}
    with pytest.raises(NotFoundError, match="a card without groups is not filtered") as caught:
        sim.engine.vms.create({"NAME": "one", "NIC": [card]}, CALL)
    assert "leave it out" in caught.value.hint


def test_a_card_without_groups_is_left_alone(sim: Sim) -> None:
    vm(sim, "one", NETWORK="lan")
    assert filters(sim) == {}
    assert sim.world.audit.operations("network.set_filters") == 0
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.assert_sound()


def test_a_card_has_its_networks_groups_and_its_own(sim: Sim) -> None:
    create(sim, "web", WEB)
    network(sim, "dmz", "10.9.1.10", "default")
    vm(sim, "one", NETWORK="dmz", SECURITY_GROUPS="web")
    vm(sim, "two", NETWORK="dmz")
    own = FilterRule(inbound=True, protocol="tcp", ports=((80, 90), (443, 443)))
    assert of(sim, "one") == CardFilter(rules=(FilterRule(inbound=False), own))
    assert of(sim, "two") == CardFilter(rules=(FilterRule(inbound=False),))
    assert sim.engine.securitygroups.show("web").body["cards"][0]["vm"] == "one"
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    assert of(sim, "one") is None
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert inbound(of(sim, "one")) == [own]
    for name in ("one", "two"):
        sim.engine.vms.terminate(name, CALL)
    sim.settle()
    assert filters(sim) == {}
    sim.assert_sound()


def test_rules_change_on_cards_that_are_there_by_one_job(sim: Sim) -> None:
    create(sim, "web", WEB)
    network(sim, "dmz", "10.9.1.10", "web")
    for name in ("one", "two", "three"):
        vm(sim, name, NETWORK="dmz")
    before = sim.world.audit.operations("network.set_filters")
    accepted = update(sim, "web", add=[{"PROTOCOL": "UDP", "RULE_TYPE": "inbound", "RANGE": "53"}], without=[0])
    assert accepted.job_id
    assert {of(sim, name) for name in ("one", "two", "three")} == {
        CardFilter(rules=(FilterRule(inbound=True, protocol="udp", ports=((53, 53),)),))
    }
    hosts = {sim.vm(name).host_id for name in ("one", "two", "three")}
    assert sim.world.audit.operations("network.set_filters") - before == len(hosts)
    assert update(sim, "web", attributes={"A": "B"}).job_id == 0
    with pytest.raises(UsageError):
        update(sim, "web", without=[5])


def test_both_addresses_of_a_range_of_two_prefixes_are_peers(sim: Sim) -> None:
    prefixes = {"GLOBAL_PREFIX": "2001:db8:1:2::", "ULA_PREFIX": "fd12:3456:789a:1::", "MAC": "02:00:00:00:00:10", "SIZE": 1}
    sim.engine.networks.create({"name": "six", "driver": "sim", "ranges": [prefixes]}, CALL)
    create(sim, "app", OUT)
    inwards = {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "5432"}
    create(sim, "db", {**inwards, "NETWORK": "six"}, {**inwards, "RANGE": "22", "SECURITY_GROUP": "app"})
    vm(sim, "one", NETWORK="six", SECURITY_GROUPS="app")
    vm(sim, "db", NETWORK="lan", SECURITY_GROUPS="db")
    both = ("2001:db8:1:2:0:ff:fe00:10/128", "fd12:3456:789a:1:0:ff:fe00:10/128")
    assert [rule.peers for rule in inbound(of(sim, "db"))] == [both, both]


def test_a_group_as_peer_follows_its_members(sim: Sim) -> None:
    create(sim, "app", OUT)
    create(sim, "db", {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "5432", "SECURITY_GROUP": "app"})
    vm(sim, "db", NETWORK="lan", SECURITY_GROUPS="db")
    assert inbound(of(sim, "db"))[0].peers == ()
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="app")
    vm(sim, "two", NETWORK="lan")
    one, two = sim.vm("one").ips, sim.vm("two").ips
    assert inbound(of(sim, "db"))[0].peers == (f"{one}/32",)
    sim.engine.vms.nic_update("two", "0", {"SECURITY_GROUPS": "app,default"}, CALL)
    sim.settle()
    assert of(sim, "two") is not None
    peers = inbound(of(sim, "db"))[0].peers
    assert peers is not None
    assert len(peers) in {1, 2}
    assert two
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert inbound(of(sim, "db"))[0].peers == (f"{two}/32",)
    sim.engine.vms.nic_update("two", "0", {"SECURITY_GROUPS": ""}, CALL)
    sim.settle()
    assert of(sim, "two") is None
    assert inbound(of(sim, "db"))[0].peers == ()
    sim.assert_sound()


def test_a_network_as_peer_follows_its_ranges(sim: Sim) -> None:
    network(sim, "dmz", "10.9.1.16")
    create(sim, "db", {"PROTOCOL": "ALL", "RULE_TYPE": "inbound", "NETWORK": "dmz"})
    vm(sim, "db", NETWORK="lan", SECURITY_GROUPS="db")
    assert inbound(of(sim, "db"))[0].peers == ("10.9.1.16/28", "10.9.1.32/30")
    sim.engine.networks.add_range("dmz", {"IP": "10.9.1.64", "SIZE": 1}, CALL)
    sim.settle()
    assert inbound(of(sim, "db"))[0].peers == ("10.9.1.16/28", "10.9.1.32/30", "10.9.1.64/32")
    with pytest.raises(ConflictError, match="db"):
        sim.engine.networks.remove("dmz", CALL)


def test_networks_get_and_lose_groups_while_vms_run(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan")
    assert sim.engine.networks.update("lan", {"security_groups": ["web"]}, CALL).job_id
    sim.settle()
    assert len(inbound(of(sim, "one"))) == 1
    assert sim.engine.networks.show("lan").body["security_groups"] == ["web"]
    sim.engine.networks.update("lan", {"attributes": {"FILTER_IP_SPOOFING": "NO"}}, CALL)
    sim.settle()
    wanted = of(sim, "one")
    assert wanted is not None
    assert (wanted.own_mac, wanted.own_ips) == (True, False)
    sim.engine.networks.update("lan", {"security_groups": []}, CALL)
    sim.settle()
    assert filters(sim) == {}


def test_a_network_may_ask_for_genuine_addresses_alone(sim: Sim) -> None:
    sim.engine.networks.update("lan", {"attributes": {"FILTER_MAC_SPOOFING": "YES"}}, CALL)
    vm(sim, "one", NETWORK="lan")
    assert of(sim, "one") == CardFilter(own_mac=True, own_ips=False)


def test_filters_go_along_with_a_migration(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="web")
    source = sim.vm("one").host_id
    sim.engine.vms.migrate("one", "", CALL, live=True)
    sim.settle()
    assert sim.vm("one").host_id != source
    assert len(filters(sim)) == 1
    assert len(inbound(of(sim, "one"))) == 1
    sim.assert_sound()


def test_a_group_that_somebody_has_stays(sim: Sim) -> None:
    for name in ("one", "two", "three", "four"):
        create(sim, name, OUT)
    network(sim, "dmz", "10.9.1.10", "one")
    vm(sim, "vm", NETWORK="lan", SECURITY_GROUPS="two")
    create(sim, "asks", {**OUT, "SECURITY_GROUP": "three"})
    for name, by in (("one", "dmz"), ("two", "vm"), ("three", "asks")):
        with pytest.raises(ConflictError, match=by) as caught:
            sim.engine.securitygroups.remove(name, CALL)
        assert caught.value.hint
    sim.engine.securitygroups.remove("four", CALL)
    names = [row[0] for row in sim.engine.securitygroups.list(Query(columns=("name",))).rows]
    assert names == ["default", "one", "two", "three", "asks"]


def test_a_clone_has_the_rules(sim: Sim) -> None:
    create(sim, "web", WEB)
    sim.engine.securitygroups.clone("web", "copy", CALL)
    assert sim.engine.securitygroups.show("copy").body["rules"] == sim.engine.securitygroups.show("web").body["rules"]


def test_a_host_that_was_silent_is_told_later(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="web")
    sim.world.order_fault("*", "network.set_filters", "unreachable", 1)
    accepted = update(sim, "web", rules=[OUT])
    assert sim.job(accepted.job_id).state == "done"
    assert of(sim, "one") == CardFilter(rules=(FilterRule(inbound=False),))


def test_what_goes_wrong_on_a_host_is_told_and_can_be_tried_again(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="web")
    sim.world.order_fault("*", "network.set_filters", "command", 1)
    failed = update(sim, "web", rules=[OUT])
    assert sim.job(failed.job_id).state == "failed"
    assert len(inbound(of(sim, "one"))) == 1
    sim.engine.securitygroups.commit("web", CALL)
    sim.settle()
    assert of(sim, "one") == CardFilter(rules=(FilterRule(inbound=False),))


def test_a_host_check_finds_cards_without_filters_and_filters_without_cards(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="web")
    host = sim.where("one")

    def found() -> list[tuple[str, str]]:
        return [(item.level, item.fix) for item in sim.engine.hosts.check(host) if item.check == "filters"]

    assert found() == []
    sim.world.db.run("UPDATE filters SET tap=?", f"one-{sim.vm('one').id}-9")
    assert found() == [
        ("warning", f"nebula host clean {host}"),
        ("error", "nebula securitygroup commit GROUP"),
    ]
    sim.engine.securitygroups.commit("web", CALL)
    sim.settle()
    assert found() == []
    assert len(inbound(of(sim, "one"))) == 1


def test_documents_say_the_same(sim: Sim) -> None:
    """What a set of documents makes is exported so, and made again changes nothing."""
    rules = [
        {"protocol": "TCP", "rule_type": "inbound", "range": "80", "security_group": "proxy"},
        {"protocol": "ALL", "rule_type": "outbound"},
    ]
    documents: list[dict[str, Any]] = [
        {"kind": "network", "name": "dmz", "driver": "sim", "ranges": [{"ip": "10.9.1.1+4"}], "security_groups": ["app"]},
        {"kind": "securitygroup", "name": "app", "rules": rules, "attributes": {"TEAM": "shop"}},
        {"kind": "securitygroup", "name": "proxy", "rules": [{"protocol": "ALL", "rule_type": "outbound"}]},
    ]

    def differing(given: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(item.name, item.action) for item in sim.engine.declarations.compare(given) if item.action]

    named = {(item["kind"], item["name"]): item for item in documents}
    for found in sim.engine.declarations.compare(documents):
        sim.engine.declarations.make(named[found.kind, found.name], CALL)
    assert differing(documents) == []
    assert sim.engine.networks.show("dmz").body["security_groups"] == ["app"]
    rules.pop(0)
    documents[0]["security_groups"] = ["proxy"]
    assert [name for name, _ in differing(documents)] == ["app", "dmz"]
    for name in ("app", "dmz"):
        sim.engine.declarations.make(next(item for item in documents if item["name"] == name), CALL)
    sim.settle()
    assert differing(documents) == []
    assert len(sim.engine.securitygroups.show("app").body["rules"]) == 1


def test_a_vm_shows_the_groups_of_its_cards(sim: Sim) -> None:
    create(sim, "web", WEB)
    network(sim, "dmz", "10.9.1.10", "default")
    vm(sim, "one", NETWORK="dmz", SECURITY_GROUPS="web")
    vm(sim, "two", NETWORK="lan")
    assert sim.engine.vms.show("one").body["nics"][0]["security_groups"] == ["default", "web"]
    assert "security_groups" not in sim.engine.vms.show("two").body["nics"][0]


def test_a_dry_run_tells_nobody(sim: Sim) -> None:
    create(sim, "web", WEB)
    vm(sim, "one", NETWORK="lan", SECURITY_GROUPS="web")
    tried = sim.engine.securitygroups.update("web", {"rules": []}, Call(dry_run=True))
    sim.settle()
    assert (tried.job_id, bool(tried.would)) == (0, True)
    assert len(inbound(of(sim, "one"))) == 1


def test_filters_that_a_host_lost_are_put_back(sim: Sim) -> None:
    create(sim, "web", WEB)
    network(sim, "dmz", "10.9.0.10", "web")
    vm(sim, "one", NETWORK="dmz")
    before, services = filters(sim), sim.engine.services
    assert before
    hosts = services.store.read().select(HostRow)
    sim.world.db.run("DELETE FROM filters")
    for host in hosts:
        filter_again(services, host)
    sim.settle()
    assert filters(sim) == before
    jobs = services.store.read().count(JobRow, "\"kind\"='securitygroup.apply'", ())
    for host in hosts:
        filter_again(services, host)
    assert services.store.read().count(JobRow, "\"kind\"='securitygroup.apply'", ()) == jobs, "nothing was missing"
