"""A guest of Debian's own packages: cloud-init as it comes reads the context, and QEMU's agent does what it is told.

It boots for minutes under emulation, so one guest serves all: `scripts/test slow` runs it.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labkit.debianguest import ROOT_AT

from tests.e2e.program import Program
from tests.e2e.test_access import ssh
from tests.lab.conftest import IMAGES
from tests.lab.handle import LabHandle, eventually, run_lab

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1500)]
BOOT_MINUTES = 15
RESULT = "/run/cloud-init/result.json"
NETWORKS = """\
kind: network
name: wide
bridge: br0
gateway: {front}
gateway6: fd00:77::1
dns: [{front}]
ranges: [{{ip: "{first}", ip6: "fd00:77::10", prefix_length: 56, size: 4}}]
attributes:
  SEARCH_DOMAIN: inner.example example.org
  GUEST_MTU: 1400
  ROUTES: 10.9.0.0/16 via {front}, 10.8.4.0/24 via {front}
---
kind: network
name: back
bridge: br0
prefix_length: 20
ranges: [{{ip: 192.168.80.10+4}}]
"""
USER_DATA = """\
#cloud-config
write_files:
  - path: /root/written
    content: "it's $x `id` \\\\ ä"
  - path: /root/report.py
    content: |
      import os, sys, urllib.request
      headers = {"X-ONEGATE-TOKEN": sys.argv[1], "X-ONEGATE-VMID": os.environ["VMID"]}
      url = os.environ["ONEGATE_ENDPOINT"] + "/vm"
      urllib.request.urlopen(urllib.request.Request(url, b"READY=YES", headers, method="PUT"))
bootcmd:
  - mkdir -p /run/context && mount -o ro LABEL=CONTEXT /run/context
  - . /run/context/context.sh
  - echo "$ETH0_ROUTES" | tr , '\\n' | while read -r route; do ip route replace $route; done
  - umount /run/context
runcmd:
  - mount -o ro LABEL=CONTEXT /run/context
  - set -a; . /run/context/context.sh; set +a
  - sh /run/context/hello.sh
  - python3 /root/report.py "$(cat /run/context/token.txt)"
  - umount /run/context
"""
"""The lines of docs/context.md that give routes to a cloud-init that reads none, and others that use what is on the CD."""
HELLO = """\
echo "role $ROLE" >/root/hello
"""
SCRIPT = """\
#!/bin/sh
echo "started on $(hostname)" >/root/started
"""
WRITING = """\
mkdir -p /root/busy
while :; do for n in 0 1 2 3 4 5 6 7; do rm -f /root/busy/$n; head -c 65536 /dev/urandom >/root/busy/$n; done; done
"""
_RAW = 'qemu-img convert -U -f qcow2 -O raw "$1" "$2"'


@pytest.fixture(scope="module")
def debian(session_cluster: Program, session_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The cluster with a guest "deb" that has three cards on two networks and has reported."""
    made = run_lab(IMAGES, "lab", "images", "--debian", seconds=1500)
    assert made.returncode == 0, made.stderr
    folder = tmp_path_factory.mktemp("debian")
    front = str(session_lab.status()["guest_gateway"])
    (folder / "networks.yaml").write_text(NETWORKS.format(front=front, first=session_lab.guest_address(160)))
    (folder / "hello.sh").write_text(HELLO)
    session_cluster.start_daemon()
    session_cluster.out("daemon", "onegate", "--listen", free_port(front))
    session_cluster.out("apply", "-f", str(folder / "networks.yaml"))
    session_cluster.out("image", "create", "debian", "--path", made.stdout.strip())
    session_cluster.out("image", "create", "hello.sh", "--path", str(folder / "hello.sh"), "--type", "context")
    context = {
        "ROLE": "one",
        "TOKEN": "YES",
        "FILES_DS": "hello.sh",
        "USER_DATA": base64.b64encode(USER_DATA.encode()).decode(),
        "USER_DATA_ENCODING": "base64",
    }
    told = [word for name, value in context.items() for word in ("--context", f"{name}={value}")]
    cards = ("--network", "wide:model=e1000", "--network", "back", "--network", "back")
    key = ("--ssh-key", str(session_lab.root / "key.pub"))
    session_cluster.out("vm", "create", "deb", "--image", "debian", "--memory", "512M", *cards, *key, *told)
    session_cluster.out("vm", "wait", "deb", "READY", "--timeout", f"{BOOT_MINUTES}m")
    yield session_cluster
    session_cluster.run("vm", "recover", "deb", "--delete")
    session_cluster.run("image", "remove", "hello.sh")
    for name in ("wide", "back"):
        session_cluster.run("network", "remove", name)
    session_cluster.run("daemon", "onegate", "--off")


def free_port(address: str) -> str:
    """ADDRESS:PORT where nobody listens."""
    with socket.socket() as found:
        found.bind((address, 0))
        return f"{address}:{found.getsockname()[1]}"


def inside(debian: Program, *words: str) -> str:
    """What a command in the guest prints."""
    return debian.out("vm", "exec", "deb", "--", *words)


def links(debian: Program) -> dict[str, dict[str, Any]]:
    """The guest's cards by MAC, each with its `ifname`, `mtu`, and its `addresses` but for link-local ones."""
    shown = json.loads(inside(debian, "ip", "-j", "address"))
    return {
        link["address"]: link
        | {"addresses": [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["scope"] == "global"]}
        for link in shown
        if link["link_type"] == "ether"
    }


def routes(debian: Program, version: int, device: str) -> set[tuple[str, str]]:
    """(destination, gateway) of what the guest sends through gateways on one device."""
    shown = json.loads(inside(debian, "ip", "-j", f"-{version}", "route", "show", "dev", device))
    return {(route["dst"], route["gateway"]) for route in shown if "gateway" in route}


def test_cloud_init_made_the_guest_what_its_context_says(debian: Program, session_lab: LabHandle) -> None:
    assert inside(debian, "hostname") == "deb"
    key = (session_lab.root / "key.pub").read_text().split()[1]
    assert key in inside(debian, "cat", "/home/debian/.ssh/authorized_keys")
    eventually(lambda: debian.run("vm", "exec", "deb", "--", "cat", RESULT).returncode == 0, "cloud-init's end", seconds=120)
    result = json.loads(inside(debian, "cat", RESULT))
    assert "DataSourceOpenNebula" in result["v1"]["datasource"]
    assert [error for error in result["v1"]["errors"] if "locale" not in error] == [], "only locales are not in the image"
    done = ssh(debian, session_lab, "--user", "debian", "deb", "--", "id -un; hostname")
    assert done.stdout.split() == ["debian", "deb"], done.stderr


def test_each_card_is_what_its_network_and_its_lease_say(debian: Program, session_lab: LabHandle) -> None:
    vm, found, front = debian.vm("deb"), links(debian), str(session_lab.status()["guest_gateway"])
    wide, *back = (found[nic["mac"]] for nic in vm["nics"])
    assert wide["addresses"] == [f"{session_lab.guest_address(160)}/24", "fd00:77::10/56"]
    assert [link["addresses"] for link in back] == [["192.168.80.10/20"], ["192.168.80.11/20"]]
    assert [wide["mtu"], *(link["mtu"] for link in back)] == [1400, 1500, 1500], "no card of this model is told so by QEMU"
    assert routes(debian, 4, wide["ifname"]) == {("default", front), ("10.9.0.0/16", front), ("10.8.4.0/24", front)}
    assert routes(debian, 6, wide["ifname"]) == {("default", "fd00:77::1")}
    assert [routes(debian, 4, link["ifname"]) | routes(debian, 6, link["ifname"]) for link in back] == [set(), set()]
    resolving = inside(debian, "grep", "-v", "^#", "/etc/resolv.conf").splitlines()
    assert [line for line in resolving if line] == [f"nameserver {front}", "search inner.example example.org"]


def test_it_answers_by_ipv6(debian: Program, session_lab: LabHandle) -> None:
    host, gateway = debian.vm("deb")["host"], ("fd00:77::1/56", "dev", "br0")
    session_lab.exec(host, "ip", "-6", "address", "add", *gateway, "nodad")
    try:
        said = session_lab.exec(host, "timeout", "20", "bash", "-c", "exec 3<>/dev/tcp/fd00:77::10/22; head -c 8 <&3")
        assert said == "SSH-2.0-"
    finally:
        session_lab.exec(host, "ip", "-6", "address", "del", *gateway)


def test_user_data_files_and_the_token_reached_it(debian: Program) -> None:
    assert inside(debian, "cat", "/root/written") == "it's $x `id` \\ ä"
    assert inside(debian, "cat", "/root/hello") == "role one", "the file of the CD was run by the user data"
    assert debian.vm("deb")["ready"]


def test_commands_run_in_the_guest(debian: Program) -> None:
    done = debian.run("vm", "exec", "deb", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert debian.run("vm", "exec", "deb", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15
    given = bytes(range(256)) * 100
    argv = [sys.executable, "-m", "nebula", "vm", "exec", "deb", "--stdin", "--", "cat"]
    echo = subprocess.run(argv, env=debian.environment, input=given, capture_output=True, timeout=120, check=True)
    assert echo.stdout == given
    late = debian.run("vm", "exec", "deb", "--timeout", "2s", "--", "sleep", "987654")
    assert late.returncode == 7
    eventually(
        lambda: "987654" not in inside(debian, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), "the end of sleep"
    )
    missing = debian.run("vm", "exec", "deb", "--", "/no/such/program")
    assert (missing.returncode, "not found" in missing.stderr) == (127, True), missing.stderr


def test_one_that_says_too_much_does_no_harm(debian: Program) -> None:
    done = debian.run("vm", "exec", "deb", "--", "sh", "-c", "yes | head -c 20000000; exit 5")
    assert (done.returncode, len(done.stdout), "vm cp" in done.stderr) == (5, 1 << 20, True), done.stderr
    assert inside(debian, "echo", "well") == "well"


def test_files_go_in_and_come_out_whole(debian: Program, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2000 + b"end"
    (tmp_path / "there").write_bytes(data)
    debian.out("vm", "cp", str(tmp_path / "there"), "deb:/root/")
    assert inside(debian, "stat", "-c", "%s", "/root/there") == str(len(data))
    debian.out("vm", "cp", "deb:/root/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    for words in (("deb:/root/nothing", str(tmp_path)), (str(tmp_path / "there"), "deb:/no/such/directory/x")):
        refused = debian.run("vm", "cp", *words)
        assert (refused.returncode, "No such file" in refused.stderr) == (1, True), refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "there"]


def test_another_context_is_on_the_cd_while_the_guest_runs(debian: Program) -> None:
    inside(debian, "mount", "-o", "ro", "/dev/sr0", "/mnt")
    assert "ROLE='one'" in inside(debian, "cat", "/mnt/context.sh")
    debian.out("vm", "update", "deb", "--context", "ROLE=two")
    inside(debian, "umount", "/mnt")
    inside(debian, "mount", "-o", "ro", "/dev/sr0", "/mnt")
    assert "ROLE='two'" in inside(debian, "cat", "/mnt/context.sh")
    inside(debian, "umount", "/mnt")


def test_the_screen_is_pictured(debian: Program, tmp_path: Path) -> None:
    debian.out("vm", "screenshot", "deb", str(tmp_path / "deb.png"))
    assert (tmp_path / "deb.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def root_of(lab: LabHandle, host: str, pattern: str, name: str) -> str:
    """The root file system of a disk as it is now, as e2fsprogs takes it; `name`: of the file on the host that has it."""
    path = lab.exec(host, "sh", "-c", f"ls /var/lib/nebula/datastores/*/{pattern}").strip()
    lab.exec(host, "sh", "-c", _RAW, "raw", path, f"/root/{name}")
    return f"/root/{name}?offset={ROOT_AT}"


def features(lab: LabHandle, host: str, root: str) -> list[str]:
    """Of the file system; `needs_recovery` is there while its journal has to be played."""
    said = lab.exec(host, "dumpe2fs", "-h", root)
    return next(line for line in said.splitlines() if line.startswith("Filesystem features:")).split()


def test_its_file_systems_are_at_rest_when_it_is_backed_up(debian: Program, session_lab: LabHandle, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a word that nobody guesses\n")
    vault = ("datastore", "create", "night", "--type", "backup", "--path", "/var/lib/nebula/night", "--host", "h1")
    debian.out(*vault, "--password-file", str(tmp_path / "password"))
    inside(debian, "systemd-run", "--unit=busy", "sh", "-c", WRITING)
    eventually(lambda: "7" in inside(debian, "ls", "/root/busy").split(), "the guest's writing")
    vm = debian.vm("deb")
    job = debian.out("backup", "create", "deb", "--no-wait")
    debian.out("job", "wait", job)
    assert inside(debian, "systemctl", "is-active", "busy") == "active", "it goes on"
    first = inside(debian, "stat", "-c", "%Y", "/root/busy/0")
    eventually(lambda: inside(debian, "stat", "-c", "%Y", "/root/busy/0") != first, "further writing")
    live = root_of(session_lab, vm["host"], f"vms/{vm['id']}/disk.0", "live")
    assert "needs_recovery" in features(session_lab, vm["host"], live), "a moment without a freeze is like a power cut"

    (backup,) = debian.json("backup", "list", "-c", "id", "-f", "json")
    shown = debian.json("backup", "show", str(backup["id"]), "-f", "json")
    assert shown["file_systems_at_rest"] is True, shown
    assert "froze its file systems, and let them go on" in debian.out("job", "log", job)
    debian.out("backup", "restore", str(backup["id"]), "--name", "deb-then", "--hold")
    image = debian.json("image", "show", "deb-then-disk-0", "-f", "json")
    host = image["copies_on"][0]
    then = root_of(session_lab, host, f"images/{image['uuid']}.qcow2", "then")
    assert "needs_recovery" not in features(session_lab, host, then)
    session_lab.exec(host, "e2fsck", "-fn", then)  # its exit status is 0 only where there is nothing to mend
    inside(debian, "systemctl", "stop", "busy")
    session_lab.exec(host, "rm", "-f", "/root/then")
    session_lab.exec(vm["host"], "rm", "-f", "/root/live")
    debian.out("vm", "terminate", "deb-then")
    debian.out("image", "remove", "deb-then-disk-0")
    debian.out("backup", "remove", str(backup["id"]))
    debian.out("datastore", "remove", "night")


def test_what_a_changed_context_says_is_done_when_cloud_init_begins_anew(debian: Program) -> None:
    """Which reads the CD at each boot, but takes every CD for the same instance until it is cleaned."""
    before = links(debian)
    changes = {"SET_HOSTNAME": "second", "USER_DATA": "", "START_SCRIPT": SCRIPT}
    debian.out("vm", "update", "deb", *(word for name, value in changes.items() for word in ("--context", f"{name}={value}")))
    inside(debian, "cloud-init", "clean")
    debian.out("vm", "reboot", "deb")
    eventually(
        lambda: debian.run("vm", "exec", "deb", "--", "cat", "/root/started").stdout.strip() == "started on second",
        "the start script, which is user data where there are no others",
        seconds=BOOT_MINUTES * 60,
    )
    after = links(debian)
    assert {mac: link["addresses"] for mac, link in after.items()} == {mac: link["addresses"] for mac, link in before.items()}
