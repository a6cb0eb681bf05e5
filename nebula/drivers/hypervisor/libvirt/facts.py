"""What a host is: capacity, CPU, versions."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.model.host import HostFacts
from nebula.transport.base import Transport


class Machine(NamedTuple):
    """What a host's kernel says of it; 0 and empty where it says nothing."""

    cores: int
    memory_mib: int
    cpu_model: str


MACHINE = "q35"
"""Of which guests have most."""
CORE = 100
"""cpu_total counts in hundredths of a core."""


def read(session: Session, machine: Machine) -> HostFacts:
    """Ask libvirt; `machine` is what the host's kernel says, and comes first where it knows."""
    conn = session.conn
    arch, memory_mib, cores, mhz, *_ = conn.getInfo()
    capabilities = parse(conn.getCapabilities(), "the host's capabilities")
    known = machines(capabilities, arch)
    machine_type = MACHINE if MACHINE in known else None
    emulated = parse(conn.getDomainCapabilities(None, arch, machine_type, None, 0), "the host's domain capabilities")
    return HostFacts(
        hostname=conn.getHostname(),
        uuid=capabilities.findtext("host/uuid", ""),
        arch=arch,
        cpu_total=CORE * (machine.cores or cores),
        memory_total_mib=machine.memory_mib or memory_mib,
        cpu_model=machine.cpu_model or capabilities.findtext("host/cpu/model", ""),
        cpu_mhz=mhz,
        cpu_xml=host_model(emulated),
        cpu_models=usable_models(emulated),
        cpu_features=features(session, host_model(emulated)),
        memory_encryption=encryption(emulated),
        uefi=boots_uefi(emulated),
        tpm=emulates_tpms(emulated),
        hypervisor_version=version(conn.getVersion()),
        libvirt_version=version(conn.getLibVersion()),
        machines=known,
        virt_types=virt_types(capabilities, arch),
        emulator=emulated.findtext("path", ""),
    )


def look(transport: Transport) -> Machine:
    """Ask the host's kernel. Where memory was added later, or a container limits it, libvirt's figures are wrong."""
    found = transport.run(["cat", "/proc/meminfo", "/proc/cpuinfo"], check=False)
    return of_proc(found.text)


def of_proc(text: str) -> Machine:
    """The same from the text of /proc/meminfo and /proc/cpuinfo."""
    lines = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in text.splitlines())]
    memory = next((int(value.split()[0]) for key, value in lines if key == "MemTotal"), 0)
    model = next((value for key, value in lines if key == "model name"), "")
    return Machine(sum(key == "processor" for key, _ in lines), memory >> 10, model)


def host_model(domain_capabilities: ET.Element) -> str:
    """The CPU that a guest in mode host-model would get, as a `<cpu>` of its own; empty if there is none."""
    mode = domain_capabilities.find("cpu/mode[@name='host-model']")
    if mode is None or mode.get("supported") != "yes":
        return ""
    element = ET.Element("cpu", {"mode": "custom", "match": "exact"})
    element.extend(list(mode))
    return ET.tostring(element, encoding="unicode").strip()


def usable_models(domain_capabilities: ET.Element) -> tuple[str, ...]:
    """The CPU models that a guest in mode custom may have."""
    found = domain_capabilities.iterfind("cpu/mode[@name='custom']/model[@usable='yes']")
    return tuple(dict.fromkeys(element.text or "" for element in found))


def features(session: Session, model: str) -> tuple[str, ...]:
    """All that a CPU (as a `<cpu>`) can do, its model's own features included; empty where libvirt does not say."""
    lib, conn = session
    if not model:
        return ()
    try:
        text = conn.baselineHypervisorCPU(None, None, None, None, [model], lib.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES)
    except lib.libvirtError:
        return ()
    found = parse(text, "libvirt's list of CPU features").iterfind("feature")
    return tuple(sorted(element.get("name", "") for element in found if element.get("policy") not in {"disable", "forbid"}))


def boots_uefi(domain_capabilities: ET.Element) -> bool:
    """Whether libvirt finds a firmware for it."""
    return "efi" in {value.text for value in domain_capabilities.iterfind("os/enum[@name='firmware']/value")}


def emulates_tpms(domain_capabilities: ET.Element) -> bool:
    """Whether swtpm is there."""
    found = domain_capabilities.iterfind("devices/tpm[@supported='yes']/enum[@name='backendModel']/value")
    return "emulator" in {value.text for value in found}


def encryption(domain_capabilities: ET.Element) -> tuple[str, ...]:
    """How a guest's memory can be encrypted."""
    sev = domain_capabilities.find("features/sev")
    if sev is None or sev.get("supported") != "yes":
        return ()
    return ("sev", "sev-es") if int(sev.findtext("maxESGuests", "0")) > 0 else ("sev",)


def version(number: int) -> str:
    """9000000 -> 9.0.0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def machines(capabilities: ET.Element, arch: str) -> tuple[str, ...]:
    """Machine types that guests of this architecture may have, short names (q35) included."""
    found = capabilities.iterfind(f"guest/arch[@name='{arch}']/machine")
    return tuple(dict.fromkeys(element.text or "" for element in found))


def virt_types(capabilities: ET.Element, arch: str) -> tuple[str, ...]:
    """kvm, qemu: what libvirt advertises, which is not always what works."""
    found = capabilities.iterfind(f"guest/arch[@name='{arch}']/domain")
    return tuple(dict.fromkeys(element.get("type", "") for element in found))
