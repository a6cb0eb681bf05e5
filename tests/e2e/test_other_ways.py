"""A home of its own over the lab's hosts: password, login without root, NAT, mirrors, persistent images, CPUs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import other
from tests.lab.handle import LabHandle, MakeLab, eventually, fetch, guest_facts
from tests.unit.images.conftest import Site, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PASSWORD = "a-secret-word"
USER = "nebula"
DEBIAN = "https://cloud.debian.org/images/cloud/trixie/latest/"
FILE = "debian-13-genericcloud-amd64.qcow2"


@pytest.fixture(scope="module")
def session_lab(make_lab: MakeLab) -> Iterator[LabHandle]:
    """Hosts that no other home manages."""
    handle = make_lab(2, "--guest-bridge", "br0", "--stock", "h2")
    yield handle
    handle.run("down")


@pytest.fixture(scope="module")
def module_home(session_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Both hosts, added by a password as a user with the documented sudo rule."""
    program = Program(tmp_path_factory.mktemp("other"))
    for name in ("h1", "h2"):
        session_lab.exec(name, "sh", "-c", f"echo {USER}:{PASSWORD} | chpasswd -c SHA512")
        add_by_password(program, session_lab, name, "wrong", 4)
        add_by_password(program, session_lab, name, PASSWORD, 0)
    span = f"{session_lab.guest_address(160)}-{session_lab.guest_address(170)}"
    program.out("network", "create", "lan", "--bridge", "br0", "--range", span, "--prefix", "24")
    yield program
    program.stop_daemon()
    for name in ("h1", "h2"):
        program.run("host", "remove", name, "--force")


@pytest.fixture
def home(module_home: Program, lab: LabHandle) -> Iterator[Program]:
    """The module's home; VMs that the test left are deleted."""
    yield module_home
    for vm in module_home.json("vm", "list", "-f", "json"):
        module_home.run("vm", "recover", str(vm["id"]), "--delete")


def add_by_password(program: Program, lab: LabHandle, name: str, password: str, status: int) -> None:
    """`host add --ask-password` at a terminal."""
    host = lab.host(name)
    options = ("--user", USER, "--ask-password", "--virt", "qemu")
    with program.terminal("host", "add", name, "--address", host["address"], *options) as terminal:
        terminal.expect("Is it the right one?")
        terminal.line("yes")
        terminal.expect(f"password of {USER}")
        terminal.line(password)
        assert terminal.end() == status, terminal.shown
        assert password not in terminal.shown


def test_the_password_is_kept_nowhere(home: Program) -> None:
    found = [path for path in home.home.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert found == []
    assert {row["state"] for row in home.json("host", "list", "-f", "json", "-c", "state")} == {"MONITORED"}


def test_a_login_without_rights_is_told_what_it_lacks(home: Program, lab: LabHandle) -> None:
    rule = "/etc/sudoers.d/nebula"
    lab.exec("h1", "mv", rule, "/root/rule")
    try:
        checked = home.run("host", "check", "h1")
    finally:
        lab.exec("h1", "mv", "/root/rule", rule)
    assert checked.returncode == 1
    assert f"{USER} ALL=(root) NOPASSWD: ALL" in checked.stdout
    assert home.run("host", "check", "h1").returncode == 0


def test_a_catalogue_image_from_a_mirror_and_a_guest_moved_without_a_root_login(
    home: Program, lab: LabHandle, guest_image: Path
) -> None:
    site, content = Site(), guest_image.read_bytes()
    site.files = {f"/{FILE}": content, "/SHA512SUMS": f"{hashlib.sha512(content).hexdigest()}  {FILE}\n".encode()}
    with serving(site) as port:
        (home.home / "mirrors").write_text(f"{DEBIAN}  http://127.0.0.1:{port}/\n")
        site.cuts = [2000, len(content) // 2]
        site.files["/SHA512SUMS"], right = b"0" * 128 + f"  {FILE}\n".encode(), site.files["/SHA512SUMS"]
        wrong = home.run("image", "create", "wrong", "--catalogue", "debian-13")
        assert (wrong.returncode, "checksum" in wrong.stderr) == (1, True)
        site.files["/SHA512SUMS"], site.cuts = right, [2000, len(content) // 2]
        home.out("image", "create", "debian-13")
    assert any(wanted.startswith("bytes=") for wanted in site.ranges), "it went on where the server had cut it"

    home.out("image", "create", "kept", "--size", "16M", "--persistent")
    home.out("network", "create", "inner", "--nat")
    home.out("vm", "create", "web", "--image", "debian-13", "--memory", "128M", "--network", "lan", "--network", "inner")
    vm = home.vm("web")
    address = str(vm["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the guest's page")
    boot = guest_facts(address)["boot-id"]
    home.out("vm", "migrate", "web", "--host", other(vm["host"]), "--live")
    assert guest_facts(address)["boot-id"] == boot
    assert "nebula_net_" in lab.exec(other(vm["host"]), "nft", "list", "tables")
    assert "nebula_net_" not in lab.exec(vm["host"], "nft", "list", "tables")
    home.out("vm", "terminate", "web", "--hard")
    home.out("network", "remove", "inner")
    for host in ("h1", "h2"):
        assert "nebula" not in lab.exec(host, "nft", "list", "tables")
        assert "onebr" not in lab.exec(host, "ip", "-br", "link")


def test_a_nat_guest_has_a_way_out_and_nothing_of_the_host_is_touched(home: Program, lab: LabHandle, guest_image: Path) -> None:
    home.out("image", "create", "nat", "--path", str(guest_image), "--host", "h1")
    gateway = lab.host("h1")["address"].rpartition(".")[0] + ".1"
    lab.exec("h1", "ip", "route", "replace", "default", "via", gateway)
    before = network_of(lab, "h1")
    home.out("network", "create", "out", "--nat")
    home.out("vm", "create", "web", "--image", "nat", "--memory", "128M", "--network", "out", "--host", "h1")
    with home.terminal("vm", "console", "web") as terminal:
        terminal.expect("leaves it")
        terminal.expect("nebula-heartbeat 1 ")
        terminal.line("")
        terminal.expect("nebula# ")
        terminal.line(f"ping -c 1 -W 5 {gateway} >/tmp/ping && echo answer-$((40+2))")
        terminal.expect("answer-42")
        terminal.type("\x1d")
        terminal.end()
    home.out("vm", "terminate", "web", "--hard")
    home.out("network", "remove", "out")
    assert network_of(lab, "h1") == before
    lab.exec("h1", "ip", "route", "del", "default")


def network_of(lab: LabHandle, host: str) -> str:
    """Rules, addresses, routes and switches of a host."""
    look = "nft list ruleset; ip -br address; ip rule; ip route show table all; cat /proc/sys/net/ipv4/conf/*/forwarding"
    return lab.exec(host, "sh", "-c", look)


def test_a_persistent_image_and_a_cd(home: Program, lab: LabHandle, guest_image: Path, tmp_path: Path) -> None:
    (tmp_path / "cd.iso").write_bytes(b"a-cd".ljust(1 << 16, b"\0"))
    home.out("image", "create", "boot", "--path", str(guest_image), "--persistent", "--host", "h1")
    home.out("image", "create", "cd", "--path", str(tmp_path / "cd.iso"), "--type", "cdrom")
    assert "first-word" not in life_of_a_vm(home, "first-word"), "a new image"
    assert "first-word" in life_of_a_vm(home, "second-word"), "what one VM wrote the next one reads, on another host"


def life_of_a_vm(home: Program, word: str) -> str:
    """A VM on the persistent image "boot" finds what is kept there, writes `word`, and takes it along to the other host."""
    home.out("vm", "create", "web", "--image", "boot", "--disk", "image=cd", "--memory", "128M", "--network", "lan")
    vm = home.vm("web")
    address = str(vm["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the guest's page")
    assert any(line.endswith(" 128") for line in cds(address)), "the CD has its size in the guest"
    assert home.run("vm", "create", "second", "--image", "boot", "--memory", "64M").returncode == 5
    found = guest_facts(address)["kept"]
    fetch(address, f"/cgi-bin/keep?{word}")
    home.out("vm", "migrate", "web", "--host", other(vm["host"]), "--live")
    eventually(lambda: word in guest_facts(address).get("kept", ""), "the word after the move")
    home.out("vm", "terminate", "web", "--hard")
    return found


def cds(address: str) -> list[str]:
    """The guest's block devices, as its page lists them."""
    return [line for line in (fetch(address) or "").splitlines() if line.startswith("disk: sr")]
