"""Facts, counters, screens and baselines from what libvirt and the kernel say."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.hypervisor.libvirt import facts
from nebula.drivers.hypervisor.libvirt.baseline import guest_cpu
from nebula.drivers.hypervisor.libvirt.graphics import of_xml
from nebula.drivers.hypervisor.libvirt.preflight import forgets, lacks
from nebula.drivers.hypervisor.libvirt.stats import of_record, total
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.model.domain import DomainState
from nebula.model.host import HostFacts

EVERYWHERE = "0.0.0.0"  # noqa: S104 - read, not listened on
PROC = """MemTotal:       24684096 kB
MemFree:         1000000 kB
processor\t: 0
model name\t: AMD EPYC 7R13 Processor
cpu MHz\t\t: 2596.014
processor\t: 1
model name\t: AMD EPYC 7R13 Processor
"""
DOMAIN_CAPABILITIES = """<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><cpu>
<mode name='host-passthrough' supported='yes'/>
<mode name='host-model' supported='{supported}'><model fallback='forbid'>EPYC</model>
<feature policy='require' name='x2apic'/></mode>
<mode name='custom' supported='yes'><model usable='yes'>EPYC</model><model usable='no'>EPYC-Rome</model></mode>
</cpu></domainCapabilities>"""
CAPABILITIES = """<capabilities><guest><arch name='i686'><machine>old</machine></arch></guest><guest><arch name='x86_64'>
<machine canonical='pc-q35-7.2'>q35</machine><machine>pc-q35-7.2</machine><machine>pc-q35-7.2</machine>
<domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>"""


def read(text: str) -> ET.Element:
    return parse(text, "a test's XML")


def test_the_kernels_words_on_memory_and_cores() -> None:
    assert facts.of_proc(PROC) == (2, 24105, "AMD EPYC 7R13 Processor")
    assert facts.of_proc("") == (0, 0, "")


@given(st.text(max_size=200))
def test_rubbish_from_the_kernel_is_no_failure(text: str) -> None:
    assert facts.of_proc(text.replace("MemTotal", ""))[1] == 0
    assert facts.of_proc(f"{PROC}\n{text}")[1:] == facts.of_proc(PROC)[1:], "the first word counts"


def test_the_cpu_of_a_host_is_its_host_model() -> None:
    text = facts.host_model(read(DOMAIN_CAPABILITIES.format(supported="yes")))
    assert read(text).findtext("model") == "EPYC"
    assert facts.host_model(read(DOMAIN_CAPABILITIES.format(supported="no"))) == ""


def test_the_models_of_a_host_are_those_that_a_guest_may_have() -> None:
    assert facts.usable_models(read(DOMAIN_CAPABILITIES.format(supported="yes"))) == ("EPYC",)
    assert facts.usable_models(read(CAPABILITIES)) == ()


def test_machines_and_virtualisation_types_are_of_the_hosts_own_architecture() -> None:
    root = read(CAPABILITIES)
    assert facts.machines(root, "x86_64") == ("q35", "pc-q35-7.2")
    assert facts.virt_types(root, "x86_64") == ("qemu", "kvm")
    assert facts.version(9_000_012) == "9.0.12"


def test_what_guests_may_have_beside_a_cpu() -> None:
    rich = read(
        "<domainCapabilities><os><enum name='firmware'><value>bios</value><value>efi</value></enum></os><devices>"
        "<tpm supported='yes'><enum name='backendModel'><value>external</value><value>emulator</value></enum></tpm></devices>"
        "<features><sev supported='yes'><maxESGuests>9</maxESGuests></sev></features></domainCapabilities>"
    )
    assert (facts.boots_uefi(rich), facts.emulates_tpms(rich), facts.encryption(rich)) == (True, True, ("sev", "sev-es"))
    poor = read(
        "<domainCapabilities><os><enum name='firmware'/></os><devices><tpm supported='no'/></devices>"
        "<features><sev supported='no'/></features></domainCapabilities>"
    )
    assert (facts.boots_uefi(poor), facts.emulates_tpms(poor), facts.encryption(poor)) == (False, False, ())


def test_what_some_guests_need_is_noted_with_what_brings_it() -> None:
    known = HostFacts(hostname="h", uuid="u", arch="x86_64", cpu_total=100, memory_total_mib=1024)
    assert list(lacks(known)) == []
    found = list(lacks(msgspec.structs.replace(known, uefi=False, tpm=False)))
    assert [(item.check, item.level, item.fix) for item in found] == [
        ("uefi", "note", "apt install ovmf"),
        ("tpm", "note", "apt install swtpm swtpm-tools"),
    ]


@pytest.mark.parametrize(
    ("version", "noted"), [("7.2.22", True), ("8.2.1", True), ("9.0.0", False), ("10.0.2", False), ("", False)]
)
def test_an_old_emulator_is_said_to_forget(version: str, noted: bool) -> None:
    known = HostFacts(hostname="h", uuid="u", arch="x86_64", cpu_total=100, memory_total_mib=1024, hypervisor_version=version)
    found = list(forgets(known))
    assert [(item.check, item.level) for item in found] == ([("emulation", "note")] if noted else [])


def test_a_baseline_is_exact_and_refuses_to_fall_back() -> None:
    made = read(guest_cpu("<cpu mode='custom' match='exact'><model fallback='allow'>EPYC</model></cpu>"))
    model = made.find("model")
    assert model is not None
    assert (made.get("mode"), made.get("match"), model.get("fallback")) == ("custom", "exact", "forbid")


@given(st.dictionaries(st.integers(0, 5), st.integers(0, 2**60), max_size=6))
def test_counters_are_summed_over_disks_and_a_missing_one_is_nothing(values: dict[int, int]) -> None:
    record = {"block.count": 6} | {f"block.{number}.rd.bytes": value for number, value in values.items()}
    assert total(record, "block", "rd.bytes") == sum(values.values())
    assert total({}, "block", "rd.bytes") == 0


def test_a_stuck_domain_still_has_its_state() -> None:
    found = of_record("u", {"state.state": 3, "state.reason": 5})
    assert (found.state, found.reason, found.cpu_time_ns) == (DomainState.PAUSED, "io_error", 0)


@pytest.mark.parametrize(
    ("listen", "address"), [("127.0.0.1", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("::", "::1"), ("10.0.0.5", "10.0.0.5")]
)
def test_a_screen_is_knocked_at_where_it_listens(listen: str, address: str) -> None:
    graphics = f"<graphics type='vnc' port='5901'><listen type='address' address='{listen}'/></graphics>"
    xml = f"<domain><devices>{graphics}</devices></domain>"
    assert of_xml(xml) == ("vnc", address, 5901)
    assert of_xml(xml.replace("5901", "-1")) is None
