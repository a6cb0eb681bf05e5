"""Requirements: OpenNebula's grammar and meaning, its quirks included; `>=` and `<=` on top."""

from __future__ import annotations

import pytest

from nebula.engine.scheduler.expressions import DATASTORE, HOST, Subject, Value, requirement

A_HOST: dict[str, Value] = {
    "ID": 7,
    "NAME": "host-7",
    "ARCH": "x86_64",
    "HYPERVISOR": "kvm",
    "FREE_MEMORY": 4 << 20,
    "FREE_CPU": 350,
    "CPUSPEED": 2600,
    "CLUSTER_ID": 1,
    "KVM_MACHINES": ("pc-q35-9.2", "q35"),
    "CURRENT_VMS": (3, 12),
    "RACK": "7",
    "LOAD": 0.5,
    "GPUS": ("a100", "l40"),
    "NOTE": "NaN",
    "EMPTY": "",
}


def holds(text: str, attributes: dict[str, Value] = A_HOST, subject: Subject = HOST) -> bool:
    return requirement(text, subject).holds(attributes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        'ARCH = "x86_64"',
        "ARCH = x86_64",
        'HYPERVISOR="kvm"',
        "FREE_MEMORY > 4096",
        "FREE_MEMORY = 4194304",
        "FREE_MEMORY != 1",
        "FREE_CPU > 300 & FREE_CPU < 400",
        "FREE_CPU >= 350 & FREE_CPU <= 350",
        "FREE_CPU > 349.5",
        "FREE_CPU > -1",
        "LOAD = 0.5",
        "RACK > 6",
        'NAME = "host-*"',
        'NAME = "host-?"',
        'NAME = "host-[5-9]"',
        'NAME = "host-[!1-6]"',
        'NAME = "host-[^1-6]"',
        'NAME != "web*"',
        "(CLUSTER_ID = 1 | CLUSTER_ID = 2) & !(PIN_POLICY = PINNED)",
        '"/HOST/TEMPLATE/ARCH" = "x86_64"',
        '"HOST_SHARE/FREE_MEMORY" > 1',
        '"NAME" = "host*"|ID=8',
        "FREE_MEMORY >= 4G",
        "FREE_MEMORY < 4.5G & FREE_MEMORY > 4095M",
        "NAME =\n\t'host-7'".replace("'", '"'),
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "ARCH = aarch64",
        'ARCH = "X86_64"',
        'NAME = "host"',
        'NAME = "ost-7"',
        "FREE_CPU > 350",
        "FREE_CPU < 350",
        "FREE_MEMORY > 4G",
        "ARCH > 5",
        "NOTE = 1",
        "NOTE != 1",
        "!(ID = 7)",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not holds(text)


def test_and_and_or_bind_alike_from_left_to_right() -> None:
    """`a | b & c` is `(a | b) & c`."""
    assert not holds("ID = 7 | ID = 8 & ID = 9")
    assert holds("ID = 7 | (ID = 8 & ID = 9)")
    assert holds("ID = 8 & ID = 9 | ID = 7")


def test_not_takes_what_follows_at_once() -> None:
    """`!a & b` is `(!a) & b`."""
    assert not holds("!ID = 7 & ID = 8")
    assert not holds("!ID = 8 & ID = 8")
    assert holds("!(ID = 7 & ID = 8)")
    assert holds("!!ID = 7")


@pytest.mark.parametrize("operator", ["=", "!=", ">", "<", ">=", "<=", "@>"])
def test_a_missing_attribute_makes_a_term_false_whatever_the_operator(operator: str) -> None:
    assert not holds(f"NOBODY {operator} 1")
    assert holds(f"!(NOBODY {operator} 1)")


def test_an_empty_text_is_neither_equal_nor_unequal() -> None:
    for text in ('NAME = ""', 'NAME != ""', 'EMPTY = ""', 'EMPTY != ""', 'EMPTY @> ""'):
        assert not holds(text)


def test_an_unquoted_word_is_a_text_and_no_attribute() -> None:
    assert not holds("ARCH = NAME")
    assert holds("KIND = NAME", {"KIND": "NAME"})


def test_any_of_several_values() -> None:
    assert holds("GPUS @> l40")
    assert holds('GPUS @> "a*"')
    assert not holds("GPUS @> h100")
    assert holds("GPUS = a100"), "other operators take the first value"
    assert not holds("GPUS = l40")
    assert holds("ARCH @> x86_64"), "one value is a list of one"
    assert holds('"CLUSTERS/ID" @> 100', {"CLUSTERS/ID": (1, 100)}, DATASTORE)
    assert not holds('"CLUSTERS/ID" @> 101', {"CLUSTERS/ID": (1, 100)}, DATASTORE)


def test_words_are_one_text_with_blanks() -> None:
    assert holds('KVM_MACHINES = "*q35*"')
    assert holds("KVM_MACHINES @> q35")
    assert not holds('KVM_MACHINES = "q35"')


def test_current_vms_are_ids() -> None:
    assert holds("CURRENT_VMS = 12")
    assert not holds("CURRENT_VMS = 1")
    assert holds("CURRENT_VMS != 1")
    assert not holds("CURRENT_VMS != 12")
    assert holds("CURRENT_VMS != 12", {"CURRENT_VMS": ()})
    assert holds('"VMS/ID" = 3')
    assert not holds("CURRENT_VMS != 12", {}), "no host without the attribute"


def test_a_pattern_takes_no_longer_than_it_must() -> None:
    """A pattern with many stars against a text that nearly matches: no backtracking."""
    text = 'NAME = "' + "*a" * 200 + 'b"'
    assert not holds(text, {"NAME": "a" * 4000})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("FREE_MEMORY > 8G", "FREE_MEMORY > 8G is false: 4194304 (4.0 GiB)"),
        ("SSD = YES", 'SSD = "YES" is false: the host has no SSD'),
        ("ID = 7 & RACK > 8 & ID = 7", "RACK > 8 is false: 7"),
        ("ID = 8 & RACK > 8", "ID = 8 is false: 7; RACK > 8 is false: 7"),
        ("ID = 8 | RACK > 8", "ID = 8 is false: 7; RACK > 8 is false: 7"),
        ("!(ID = 7 | ID = 8)", "ID = 7 is true: 7"),
        ("CURRENT_VMS != 3", "CURRENT_VMS != 3 is false: 3 12"),
        ("", ""),
    ],
)
def test_why(text: str, why: str) -> None:
    found = requirement(text, HOST)
    assert found.holds(A_HOST) is (text == "")
    assert found.why(A_HOST) == why


def test_a_long_explanation_is_cut() -> None:
    text = " | ".join(f"RACK = {number}" for number in range(100, 110))
    assert requirement(text, HOST).why(A_HOST).endswith("RACK = 103 is false: 7 and 6 more")
    assert len(requirement("NAME = b", HOST).why({"NAME": "a" * 4000})) < 100
