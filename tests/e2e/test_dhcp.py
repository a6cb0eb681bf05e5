"""Networks with DHCP and DNS: a guest without a context finds its address, its name, and others by theirs."""

from __future__ import annotations

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GET = 'exec 3<>"/dev/tcp/$1/80" && printf "GET %s HTTP/1.0\\r\\n\\r\\n" "$2" >&3 && cat <&3'


def ask(lab: LabHandle, address: str, path: str = "/", *, host: str = "h1") -> str:
    """What a guest that only its own host reaches answers for a page; "" for nothing."""
    argv = ["timeout", "20", "bash", "-c", GET, "bash", address, path]
    return lab.exec(host, "sh", "-c", '"$@" || true', "sh", *argv)


def forget_context(cluster: Program, lab: LabHandle, name: str, host: str) -> None:
    """The guest starts anew, and finds no context on its CD."""
    number = cluster.vm(name)["id"]
    cd = lab.exec(host, "find", "/var/lib/nebula", "-path", f"*/vms/{number}/*", "-name", "*context*").strip()
    lab.exec(host, "sh", "-c", 'dd if=/dev/zero of="$1" bs=64k count=1 conv=notrunc status=none', "sh", cd)
    cluster.out("vm", "reboot", name, "--hard")


def boot_id(page: str) -> str:
    """The line that is another one after each start of the guest."""
    return next((line for line in page.splitlines() if line.startswith("boot-id")), "")


def test_a_guest_without_context_is_given_its_address_and_finds_others(cluster: Program, lab: LabHandle) -> None:
    cluster.out("network", "create", "inner", "--nat", "--dhcp")
    for name in ("store", "web"):
        options = ("--memory", "128M", "--network", "inner", "--host", "h1")
        cluster.out("vm", "create", name, "--image", "own", *options)
    store, web = (str(cluster.vm(name)["addresses"][0]) for name in ("store", "web"))
    forget_context(cluster, lab, "web", "h1")

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


def test_guests_on_two_hosts_have_their_addresses_and_keep_them_through_a_live_migration(
    cluster: Program, lab: LabHandle
) -> None:
    cluster.out(
        *("network", "create", "wire", "--driver", "vxlan", "--physical-device", "eth0", "--vxlan-mode", "static"),
        *("--range", "10.99.7.10-10.99.7.20", "--dhcp-address", "10.99.7.2"),
    )
    for name, host in (("web", "h1"), ("store", "h2")):
        cluster.out("vm", "create", name, "--image", "own", "--memory", "128M", "--network", "wire", "--host", host)
    for name, host in (("web", "h1"), ("store", "h2")):
        forget_context(cluster, lab, name, host)
    store, web = (str(cluster.vm(name)["addresses"][0]) for name in ("store", "web"))
    for name, host, address in (("web", "h1", web), ("store", "h2", store)):
        eventually(
            lambda host=host, name=name, address=address: f"hostname: {name}\n" in ask(lab, address, host=host),  # type: ignore[misc]
            f"{name} at its address", seconds=240,
        )  # fmt: skip
    before = boot_id(ask(lab, web))
    assert "yes" in ask(lab, web, f"/cgi-bin/reach?tcp,{store},80"), "the other guest, on the other host"
    assert store in ask(lab, web, "/cgi-bin/resolve?store.wire.internal")

    cluster.out("vm", "migrate", "web", "--live", "--host", "h2")
    eventually(lambda: boot_id(ask(lab, web, host="h2")) == before, "the guest at its address, which was not started anew")
    assert store in ask(lab, web, "/cgi-bin/resolve?store.wire.internal", host="h2"), "the new host answers at once"
    forget_context(cluster, lab, "web", "h2")
    eventually(lambda: boot_id(ask(lab, web, host="h2")) not in ("", before), "what the new host gives", seconds=240)
    assert "404" in ask(lab, web, "/context/SET_HOSTNAME", host="h2"), "it has no context"
    assert "yes" in ask(lab, web, f"/cgi-bin/reach?tcp,{store},80", host="h2")

    for name in ("store", "web"):
        cluster.out("vm", "terminate", name, "--hard")
    cluster.out("network", "remove", "wire")
    for host in ("h1", "h2"):
        left = "pgrep -x dnsmasq; ls -d /var/lib/nebula/network 2>/dev/null; ip -br link show type vxlan; true"
        assert lab.exec(host, "sh", "-c", left) == ""
