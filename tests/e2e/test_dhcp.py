"""Networks with DHCP and DNS: a guest without a context finds its address, its name, and others by theirs."""

from __future__ import annotations

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GET = 'exec 3<>"/dev/tcp/$1/80" && printf "GET %s HTTP/1.0\\r\\n\\r\\n" "$2" >&3 && cat <&3'


def ask(lab: LabHandle, address: str, path: str = "/") -> str:
    """What a guest that only its own host reaches answers for a page; "" for nothing."""
    argv = ["timeout", "20", "bash", "-c", GET, "bash", address, path]
    return lab.exec("h1", "sh", "-c", '"$@" || true', "sh", *argv)


def test_a_guest_without_context_is_given_its_address_and_finds_others(cluster: Program, lab: LabHandle) -> None:
    cluster.out("network", "create", "inner", "--nat", "--dhcp")
    for name in ("store", "web"):
        options = ("--memory", "128M", "--network", "inner", "--host", "h1")
        cluster.out("vm", "create", name, "--image", "own", *options)
    store, web = (str(cluster.vm(name)["addresses"][0]) for name in ("store", "web"))
    number = cluster.vm("web")["id"]
    cd = lab.exec("h1", "find", "/var/lib/nebula", "-path", f"*/vms/{number}/*", "-name", "*context*").strip()
    lab.exec("h1", "sh", "-c", 'dd if=/dev/zero of="$1" bs=64k count=1 conv=notrunc status=none', "sh", cd)
    cluster.out("vm", "reboot", "web", "--hard")

    eventually(lambda: "hostname: web\n" in ask(lab, web), "the guest at its address, with its name", seconds=240)
    assert "404" in ask(lab, web, "/context/SET_HOSTNAME"), "it has no context"
    gateway = f"{web.rpartition('.')[0]}.1"
    found = ask(lab, web, "/cgi-bin/resolve?store.inner.internal")
    assert f"search inner.internal\nnameserver {gateway}\n" in found
    assert store in found
    cluster.out("vm", "rename", "store", "vault")
    eventually(lambda: store in ask(lab, web, "/cgi-bin/resolve?vault.inner.internal"), "its new name")
    assert store not in ask(lab, web, "/cgi-bin/resolve?store.inner.internal")

    for name in ("vault", "web"):
        cluster.out("vm", "terminate", name, "--hard")
    cluster.out("network", "remove", "inner")
    assert lab.exec("h1", "sh", "-c", "pgrep -x dnsmasq; ls -d /var/lib/nebula/network 2>/dev/null; true") == ""
