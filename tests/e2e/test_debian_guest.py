"""A guest of Debian's own packages: cloud-init as it comes reads the context, and QEMU's agent does what it is told.

It boots for minutes under emulation, so one guest serves all: `scripts/test slow` runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit.debianguest import ROOT_AT

from tests.e2e.program import Program
from tests.e2e.test_access import ssh
from tests.lab.conftest import IMAGES
from tests.lab.handle import LabHandle, eventually, run_lab

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1500)]
BOOT_SECONDS = 900
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
    """The cluster with a guest "deb" whose start script has run."""
    made = run_lab(IMAGES, "lab", "images", "--debian", seconds=1500)
    assert made.returncode == 0, made.stderr
    script = tmp_path_factory.mktemp("debian") / "start.sh"
    script.write_text(SCRIPT)
    session_cluster.out("image", "create", "debian", "--path", made.stdout.strip())
    told = ("--ssh-key", str(session_lab.root / "key.pub"), "--start-script", str(script), "--context", "ROLE=one")
    session_cluster.out("vm", "create", "deb", "--image", "debian", "--memory", "512M", "--network", "lan", *told)
    eventually(
        lambda: session_cluster.run("vm", "exec", "deb", "--", "cat", "/root/started").returncode == 0,
        "cloud-init's end",
        seconds=BOOT_SECONDS,
    )
    yield session_cluster
    session_cluster.run("vm", "recover", "deb", "--delete")


def inside(debian: Program, *words: str) -> str:
    """What a command in the guest prints."""
    return debian.out("vm", "exec", "deb", "--", *words)


def test_cloud_init_made_the_guest_what_its_context_says(debian: Program, session_lab: LabHandle) -> None:
    assert inside(debian, "cat", "/root/started") == "started on deb"
    assert inside(debian, "hostname") == "deb"
    vm = debian.vm("deb")
    assert f"{vm['addresses'][0]}/24" in inside(debian, "ip", "-4", "-br", "address")
    key = (session_lab.root / "key.pub").read_text().split()[1]
    assert key in inside(debian, "cat", "/home/debian/.ssh/authorized_keys")
    result = json.loads(inside(debian, "cat", "/run/cloud-init/result.json"))
    assert "DataSourceOpenNebula" in result["v1"]["datasource"]
    assert [error for error in result["v1"]["errors"] if "locale" not in error] == [], "only locales are not in the image"
    done = ssh(debian, session_lab, "--user", "debian", "deb", "--", "id -un; hostname")
    assert done.stdout.split() == ["debian", "deb"], done.stderr


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
