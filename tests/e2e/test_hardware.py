"""Hardware as templates ask for it, seen on real hosts and from inside real guests."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nebula.engine.machines.migration import copies_crash
from tests.e2e.program import Program
from tests.e2e.test_main_job import assert_left_nothing, other
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

RICH = """\
name: rich
vcpu: 2
vcpu_max: 4
cpu: 0.5
memory: 192M
memory_max: 512M
topology: {sockets: 2, cores: 2}
numa_node:
  - {total_cpus: 2, memory: 96M}
  - {total_cpus: 2, memory: 96M}
features: {iothreads: 2, virtio_scsi_queues: 2, localtime: yes}
disk:
  - {image: own, cache: writeback, io: threads, total_iops_sec: 5000, total_iops_sec_max: 9000}
  - {size: 8M, dev_prefix: sd, format: raw, serial: scsi-1, discard: ignore}
  - {size: 8M, dev_prefix: hd}
nic:
  - {network: lan, virtio_queues: 2}
graphics: {type: vnc, passwd: secret12}
video: {type: virtio, resolution: 800x600}
input: [{type: keyboard, bus: virtio}]
sound: {model: ich9}
rng: {rate_bytes: 1024, rate_period: 1000}
watchdog: {model: i6300esb, action: none}
tpm: {model: tpm-tis}
raw: {type: kvm, data: <on_crash>preserve</on_crash>}
"""
_AFFINITY = r"""for task in /proc/$(pgrep -f "guest=one-$1,")/task/*; do
    if grep -q "^CPU 0/" "$task/comm"; then sed -n "s/^Cpus_allowed_list:\s*//p" "$task/status"; fi
done"""
"""Prints on which CPUs the thread of a domain's vCPU may run."""
PAGES, COMPACT = Path("/proc/sys/vm/nr_hugepages"), Path("/proc/sys/vm/compact_memory")
PCI = {"i6300esb": "8086:25ab", "virtio-scsi": "1af4:1048", "ich9": "8086:293e", "virtio-gpu": "1af4:1050", "rng": "1af4:1044"}


def definition(lab: LabHandle, host: str, vm_id: int) -> ET.Element:
    """The running domain as libvirt has it."""
    return ET.fromstring(lab.exec(host, "virsh", "dumpxml", f"one-{vm_id}"))  # noqa: S314 - libvirt's own


def start(cluster: Program, name: str, *options: str) -> str:
    """A guest that answers; returns its address."""
    cluster.out("vm", "create", name, "--network", "lan", *options)
    address = str(cluster.vm(name)["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), f"{name}'s page", seconds=150)
    return address


def digest(lab: LabHandle, host: str, path: str) -> str:
    """Of a file on the host."""
    return lab.exec(host, "sha256sum", path).split()[0]


def test_a_guest_with_all_kinds_of_devices_runs(cluster: Program, lab: LabHandle, tmp_path: Path) -> None:
    file = tmp_path / "rich.yaml"
    file.write_text(RICH)
    cluster.out("vm", "create", "-f", str(file), "--host", "h1")
    vm = cluster.vm("rich")
    address = str(vm["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "rich's page")
    facts = guest_facts(address)
    assert {name: device in facts["pci"] for name, device in PCI.items()} == dict.fromkeys(PCI, True)
    assert (facts["tpm"], facts["cpus"], facts["nodes"]) == ("2.0", "0-1", "0-1")

    domain = definition(lab, "h1", vm["id"])
    assert domain.findtext("vcpu") == "4"
    assert domain.findtext("on_crash") == "preserve"
    disks = {disk.find("target").get("dev"): disk for disk in domain.iterfind("devices/disk")}  # type: ignore[union-attr]
    assert [disks[name].find("target").get("bus") for name in ("vda", "sda", "hda")] == ["virtio", "scsi", "sata"]  # type: ignore[union-attr]
    assert disks["vda"].findtext("iotune/total_iops_sec") == "5000"
    assert domain.find("devices/interface/driver").get("queues") == "2"  # type: ignore[union-attr]

    version = cluster.json("host", "show", "h2", "-f", "json")["facts"]["hypervisor_version"]
    if copies_crash(version):
        live = cluster.run("vm", "migrate", "rich", "--host", "h2", "--live")
        assert (live.returncode, "dies when such a disk is copied to it" in live.stderr) == (5, True)
    cold = cluster.run("vm", "migrate", "rich", "--host", "h2")
    assert (cold.returncode, "can only be migrated live" in cold.stderr) == (5, True)
    assert guest_facts(address)["boot-id"] == facts["boot-id"]
    cluster.out("vm", "terminate", "rich", "--hard")
    assert_left_nothing(lab, vm["id"])
    for host in ("h1", "h2"):
        assert vm["uuid"] not in lab.exec(host, "sh", "-c", "ls /var/lib/libvirt/swtpm || true")


@pytest.fixture
def pinned(cluster: Program) -> Iterator[None]:
    """Both hosts are for VMs that have CPUs of their own; on h2 CPU 0 is nobody's."""
    for host, isolated in (("h1", ""), ("h2", "0")):
        cluster.out("host", "update", host, "--set", "PIN_POLICY=PINNED", "--set", f"ISOLCPUS={isolated}")
    yield
    for host in ("h1", "h2"):
        cluster.out("host", "update", host, "--set", "PIN_POLICY=", "--set", "ISOLCPUS=")


def assert_own_cpu(lab: LabHandle, host: str, vm_id: int) -> None:
    """The guest's vCPU may run on one CPU alone, by libvirt's word and by the kernel's."""
    pin = definition(lab, host, vm_id).find("cputune/vcpupin")
    assert pin is not None
    affinity = lab.exec(host, "sh", "-c", _AFFINITY, "sh", str(vm_id)).split()
    assert affinity == [pin.get("cpuset")]
    assert affinity in (["0"], ["1"]) if host == "h1" else affinity == ["1"]


@pytest.fixture
def huge_pages(cluster: Program, lab: LabHandle) -> Iterator[None]:
    """The machine, which all hosts are on, has 160 huge pages of 2 MiB; each host has them where its libvirt looks for them."""
    before = PAGES.read_text()
    COMPACT.write_text("1")
    PAGES.write_text("160")
    assert PAGES.read_text().strip() == "160", "the machine's memory is in pieces"
    for host in ("h1", "h2"):
        lab.exec(host, "sh", "-c", "mkdir -p /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages")
        lab.damage(host, "libvirtd")
        lab.mend(host, "libvirtd")
        cluster.out("host", "check", host)
    eventually(lambda: all(seen_pages(cluster, host) == [160] for host in ("h1", "h2")), "huge pages of both hosts", seconds=90)
    yield
    for host in ("h1", "h2"):
        lab.exec(host, "umount", "-l", "/dev/hugepages")
        lab.damage(host, "libvirtd")
        lab.mend(host, "libvirtd")
    PAGES.write_text(before)


def seen_pages(cluster: Program, host: str) -> list[int]:
    """Huge pages of 2 MiB, used or not, that the engine knows of on a host."""
    [node] = cluster.json("host", "describe", host, "-f", "json")["numa"]
    return [pages["total"] for pages in node["huge_pages"] if pages["size_mib"] == 2]


def free_pages() -> int:
    """Huge pages that nobody has."""
    return int(next(line for line in Path("/proc/meminfo").read_text().splitlines() if "HugePages_Free" in line).split()[1])


BOOTED = """\
topology: {hugepage_size: 2}
os: {kernel_ds: vmlinuz, initrd_ds: '$FILE[IMAGE="initrd"]', kernel_cmd: console=ttyS0 quiet tsc=unstable no_timer_check}
"""


@pytest.fixture
def boot_files(cluster: Program, guest_image: Path, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """The guest's own kernel and RAM disk as images; by the domain's name for them, where they came from."""
    found = {"kernel": tmp_path / "vmlinuz", "initrd": tmp_path / "initrd.gz"}
    for file in found.values():
        source = f"{guest_image.with_name('guest.raw')}@@1M"
        subprocess.run(["mcopy", "-i", source, f"::{file.name}", str(file)], check=True, timeout=60)
    cluster.out("image", "create", "vmlinuz", "--path", str(found["kernel"]), "--type", "kernel")
    cluster.out("image", "create", "initrd", "--path", str(found["initrd"]), "--type", "ramdisk")
    yield found
    for name in ("vmlinuz", "initrd"):
        cluster.out("image", "remove", name)


def assert_boots_from(lab: LabHandle, host: str, vm_id: int, boot_files: dict[str, Path]) -> None:
    """The running domain has them from files that are on its host and whole."""
    system = definition(lab, host, vm_id).find("os")
    assert system is not None
    assert system.find("boot") is None
    for name, file in boot_files.items():
        assert digest(lab, host, system.findtext(name, "")) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.usefixtures("huge_pages")
def test_memory_of_huge_pages_and_what_was_booted_go_along_to_another_host(
    cluster: Program, lab: LabHandle, boot_files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "booted.yaml").write_text(BOOTED)
    whole = free_pages()
    address = start(cluster, "big", "--image", "common", "--memory", "128M", "--file", str(tmp_path / "booted.yaml"))
    vm, before = cluster.vm("big"), guest_facts(address)
    assert whole - free_pages() == 64
    page = definition(lab, vm["host"], vm["id"]).find("memoryBacking/hugepages/page")
    assert page is not None
    assert (page.get("size"), page.get("unit")) == ("2048", "KiB")
    assert_boots_from(lab, vm["host"], vm["id"], boot_files)
    refused = cluster.run("image", "remove", "vmlinuz")
    assert (refused.returncode, "boots from image vmlinuz" in refused.stderr) == (5, True)
    cluster.out("vm", "migrate", "big", "--host", other(vm["host"]), "--live")
    assert guest_facts(address)["boot-id"] == before["boot-id"], "it was started anew"
    assert whole - free_pages() == 64
    assert_boots_from(lab, other(vm["host"]), vm["id"], boot_files)
    cluster.out("vm", "terminate", "big", "--hard")
    eventually(lambda: free_pages() == whole, "its pages")
    assert_left_nothing(lab, vm["id"])


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("image", ["own", "common"])
def test_uefi_boots_and_its_variables_go_along_to_another_cpu(
    cluster: Program, lab: LabHandle, image: str, tmp_path: Path
) -> None:
    (tmp_path / "pinned.yaml").write_text("topology: {pin_policy: thread}\n")
    options = ("--uefi", "--memory", "256M", "--file", str(tmp_path / "pinned.yaml"))
    address = start(cluster, "efi", "--image", image, *options)
    vm = cluster.vm("efi")
    before = guest_facts(address)
    assert before["firmware"] == "uefi"
    assert_own_cpu(lab, vm["host"], vm["id"])
    variables = definition(lab, vm["host"], vm["id"]).findtext("os/nvram", "")
    assert variables.endswith(f"/vms/{vm['id']}/nvram.fd")

    target, here = other(vm["host"]), digest(lab, vm["host"], variables)
    cluster.out("vm", "migrate", "efi", "--host", target, "--live")
    assert guest_facts(address)["boot-id"] == before["boot-id"], "it was started anew"
    assert_own_cpu(lab, target, vm["id"])
    eventually(lambda: digest(lab, target, variables) == here, "the variables at the target", seconds=10)

    cluster.out("vm", "poweroff", "efi")
    there = digest(lab, target, variables)
    cluster.out("vm", "migrate", "efi", "--host", vm["host"])
    assert digest(lab, vm["host"], variables) == there
    cluster.out("vm", "resume", "efi")
    assert (cluster.state("efi"), definition(lab, vm["host"], vm["id"]).findtext("os/nvram")) == ("RUNNING", variables)
    if image == "own":  # what came along is of the same kind wherever it lay
        eventually(lambda: guest_facts(address).get("firmware") == "uefi", "the guest after its cold move")
        assert guest_facts(address)["boot-id"] != before["boot-id"]
    cluster.out("vm", "terminate", "efi", "--hard")
    assert_left_nothing(lab, vm["id"])


def test_secure_boot_starts_and_a_screen_is_no_must(cluster: Program, lab: LabHandle) -> None:
    """The guest's kernel is Debian's and signed; its boot loader is not, so nothing boots under secure boot."""
    words = ("--secure-boot", "--graphics", "none", "--memory", "256M", "--image", "own", "--host", "h1")
    cluster.out("vm", "create", "locked", *words)
    vm = cluster.vm("locked")
    domain = definition(lab, "h1", vm["id"])
    assert vm["state"] == "RUNNING"
    assert domain.find("os/loader").get("secure") == "yes"  # type: ignore[union-attr]
    assert domain.find("devices/graphics") is None
    cluster.out("vm", "terminate", "locked", "--hard")


def test_what_a_host_has_is_seen_and_an_iommu_is_missed(cluster: Program, lab: LabHandle) -> None:
    described = cluster.json("host", "describe", "h1", "-f", "json")
    assert described["numa"][0]["cpus"] == lab.exec("h1", "cat", "/sys/devices/system/node/node0/cpulist").strip()
    assert len(described["pci"]) > 0
    address = described["pci"][0].split()[0]
    done = cluster.run("vm", "create", "gpu", "--image", "own", "--memory", "64M", "--pci", address.removeprefix("0000:"))
    assert done.returncode == 1
    assert "2 hosts: 2 without its device" in done.stderr
