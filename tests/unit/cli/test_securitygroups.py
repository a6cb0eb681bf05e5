"""nebula securitygroup: from the words that are typed to rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nebula.cli.verbs.securitygroup import rule_of
from nebula.errors import UsageError
from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("all", {"PROTOCOL": "ALL"}),
        ("tcp:22,80-90", {"PROTOCOL": "TCP", "RANGE": "22,80-90"}),
        ("icmp:8@10.0.0.0/8", {"PROTOCOL": "ICMP", "ICMP_TYPE": "8", "IP": "10.0.0.0/8"}),
        ("icmpv6:128@fd00::/8", {"PROTOCOL": "ICMPV6", "ICMP_TYPE": "128", "IP": "fd00::/8"}),
        ("udp@group=app", {"PROTOCOL": "UDP", "SECURITY_GROUP": "app"}),
        ("tcp:5432@network=lan", {"PROTOCOL": "TCP", "RANGE": "5432", "NETWORK": "lan"}),
    ],
)
def test_a_word_is_a_rule(word: str, rule: dict[str, str]) -> None:
    assert rule_of(word, "inbound") == {**rule, "RULE_TYPE": "inbound"}


@pytest.mark.parametrize("word", ["", "tcp:", "tcp@", ":80", "@10.0.0.1", "tcp@host=a", "tcp@group="])
def test_what_is_no_rule_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        rule_of(word, "inbound")
    assert "--inbound" in caught.value.hint


def test_rules_come_from_files_as_opennebula_writes_them(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rules.one"
    file.write_text(
        'RULE = [ PROTOCOL = TCP, RANGE = "22,80:90", RULE_TYPE = inbound ]\n'
        "RULE = [ PROTOCOL = ICMP, ICMP_TYPE = 8, RULE_TYPE = inbound, IP = 10.0.0.0, SIZE = 256 ]\n"
    )
    made = cli("securitygroup", "create", "filed", "--file", str(file))
    assert made.status == 0, made.err
    rules = json.loads(cli("securitygroup", "show", "filed", "-f", "json").out)["rules"]
    assert [rule.get("RANGE") or rule.get("IP") for rule in rules] == ["22,80:90", "10.0.0.0/24"]
    assert cli("securitygroup", "update", "filed", "--without", "0", "--outbound", "all").status == 0
    assert cli("securitygroup", "clone", "filed", "other").status == 0
    rules = json.loads(cli("securitygroup", "show", "other", "-f", "json").out)["rules"]
    assert [rule["PROTOCOL"] for rule in rules] == ["ICMP", "ALL"]
    assert cli("securitygroup", "update", "filed").status == 2
    assert cli("securitygroup", "remove", "filed", "other").status == 0


def test_who_says_nothing_of_outbound_lets_all_out(cli: Cli) -> None:
    assert cli("securitygroup", "create", "usual", "--inbound", "tcp:80").status == 0
    rules = json.loads(cli("securitygroup", "show", "usual", "-f", "json").out)["rules"]
    assert [(rule["PROTOCOL"], rule["RULE_TYPE"]) for rule in rules] == [("TCP", "inbound"), ("ALL", "outbound")]
    assert cli("securitygroup", "remove", "usual").status == 0
