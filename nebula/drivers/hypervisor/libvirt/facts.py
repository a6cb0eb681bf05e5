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


CORE = 100
"""cpu_total counts in hundredths of a core."""


def read(session: Session, machine: Machine) -> HostFacts:
    """Ask libvirt; `machine` is what the host's kernel says, and comes first where it knows."""
    conn = session.conn
    arch, memory_mib, cores, mhz, *_ = conn.getInfo()
    capabilities = parse(conn.getCapabilities(), "the host's capabilities")
    emulated = parse(conn.getDomainCapabilities(None, arch, None, None, 0), "the host's domain capabilities")
    return HostFacts(
        hostname=conn.getHostname(),
        uuid=capabilities.findtext("host/uuid", ""),
        arch=arch,
        cpu_total=CORE * (machine.cores or cores),
        memory_total_mib=machine.memory_mib or memory_mib,
        cpu_model=machine.cpu_model or capabilities.findtext("host/cpu/model", ""),
        cpu_mhz=mhz,
        cpu_xml=host_model(emulated),
        hypervisor_version=version(conn.getVersion()),
        libvirt_version=version(conn.getLibVersion()),
        machines=machines(capabilities, arch),
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
