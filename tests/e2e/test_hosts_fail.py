"""Hosts that fail while work is under way on them: cut off, without power, without daemons, full. The work ends well or is
undone, a guest never runs twice, and nothing lies about.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import HOSTS, OWN, assert_sound, look, open_jobs
from tests.e2e.test_main_job import other
from tests.lab.gates import HOOK, Gate
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
SMALL = ("--memory", "128M", "--cpu", "0.1", "--network", "lan")


def guest(cluster: Program, name: str, image: str, host: str) -> str:
    """A guest that answers on that host; its boot."""
    cluster.out("vm", "create", name, "--image", image, "--host", host, *SMALL)
    address = str(cluster.vm(name)["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), f"{name}'s page")
    return guest_facts(address)["boot-id"]


def jobs_end(cluster: Program, seconds: float = 200.0) -> None:
    """Wait until no job is open."""
    eventually(lambda: open_jobs(cluster) == [], f"the end of {open_jobs(cluster)}", seconds=seconds)


def waits(cluster: Program, job: str) -> bool:
    """Whether a job waits for a host."""
    return bool(cluster.json("job", "show", job, "-f", "json")["state"] == "waiting")


def await_arrival(cluster: Program, lab: LabHandle, name: str, host: str) -> None:
    """Wait until a guest's migration has begun at its target."""
    domain = f"one-{cluster.vm(name)['id']}"
    eventually(lambda: domain in look(lab, host).of("domain"), f"{name} on its way", seconds=60)


def await_as_it_was(cluster: Program, name: str, boot: str) -> None:
    """Wait until a guest is known to run and answers; it was never started anew."""
    eventually(lambda: cluster.state(name) == "RUNNING", f"{name} to be known again")
    address = str(cluster.vm(name)["addresses"][0])
    eventually(lambda: guest_facts(address).get("boot-id") == boot, f"{name} as it was")


def assert_runs_once(lab: LabHandle, cluster: Program, *names: str) -> None:
    """Each of these guests runs on one host at most."""
    for name in names:
        domain = f"one-{cluster.vm(name)['id']}"
        assert sum(domain in look(lab, host).of("runs") for host in HOSTS) <= 1, f"{name} runs twice"


MOVING = (("comes", "own", "h1"), ("leaves", "own", "h2"), ("leaves-shared", "common", "h2"))


def test_a_host_is_cut_off_and_loses_its_power_in_the_middle_of_everything(
    cluster: Program, lab: LabHandle, guest_image: Path
) -> None:
    boots = the_network_is_cut(cluster, lab, guest_image)
    cluster.out("vm", "recover", "made", "leaves-shared", "--delete")
    for name, _, host in MOVING[:2]:
        if cluster.vm(name)["host"] != host:
            cluster.migrate_live(name, host)
    the_power_is_lost(cluster, lab, boots)


def the_network_is_cut(cluster: Program, lab: LabHandle, guest_image: Path) -> dict[str, str]:
    """h2 is cut off while a guest comes to it, one leaves it, one is made on it, and an image is copied to it; their boots."""
    cluster.out("image", "create", "late", "--path", str(guest_image))
    boots = {name: guest(cluster, name, image, host) for name, image, host in MOVING}
    lab.damage("h2", "slow-network")
    copy = Gate(lab, "h2", "rsync", "images")
    with copy.shut():
        cluster.out("vm", "create", "made", "--image", "late", "--host", "h2", *SMALL, "--no-wait")
        jobs = [cluster.out("vm", "migrate", name, "--live", "--no-wait", "--host", other(host)) for name, _, host in MOVING]
        copy.await_reached()
        for name, _, host in MOVING:
            await_arrival(cluster, lab, name, other(host))
        lab.damage("h2", "network")
    eventually(lambda: all(waits(cluster, job) for job in jobs), "jobs that wait for h2", seconds=120)
    assert_runs_once(lab, cluster, *boots)
    lab.mend("h2")
    jobs_end(cluster)
    assert cluster.state("made") == "RUNNING"
    for name, boot in boots.items():
        await_as_it_was(cluster, name, boot)
    assert_sound(cluster, lab)
    return boots


def the_power_is_lost(cluster: Program, lab: LabHandle, boots: dict[str, str]) -> None:
    """h2 goes down while a guest comes to it and one leaves it."""
    lab.damage("h2", "slow-network")
    jobs = [cluster.out("vm", "migrate", name, "--live", "--no-wait", "--host", other(host)) for name, _, host in MOVING[:2]]
    for name, _, host in MOVING[:2]:
        await_arrival(cluster, lab, name, other(host))
    lab.damage("h2", "power")
    eventually(lambda: all(waits(cluster, job) for job in jobs), "jobs that wait for h2", seconds=120)
    lab.mend("h2")
    jobs_end(cluster)
    await_as_it_was(cluster, "comes", boots["comes"])
    eventually(lambda: cluster.state("leaves") == "POWEROFF", "the guest that lost its host")
    assert cluster.vm("leaves")["host"] == "h2"
    assert_sound(cluster, lab)


def test_libvirtd_dies_in_the_middle_of_a_start_and_of_a_migration(cluster: Program, lab: LabHandle) -> None:
    start = Gate(lab, "h2", HOOK, "started")
    with start.shut():
        number = cluster.out("vm", "create", "made", "--image", "own", "--host", "h2", *SMALL, "--no-wait")
        start.await_reached()
        lab.damage("h2", "libvirtd")
    lab.mend("h2")
    cluster.out("vm", "wait", number, "RUNNING", "BOOT_FAILURE", "PROLOG_FAILURE", "--timeout", "2m")
    jobs_end(cluster)
    assert_sound(cluster, lab)
    cluster.out("vm", "terminate", "made", "--hard")
    boot = guest(cluster, "moved", "own", "h1")
    arrival = Gate(lab, "h2", HOOK, "started")
    with arrival.shut():
        cluster.out("vm", "migrate", "moved", "--live", "--no-wait", "--host", "h2")
        arrival.await_reached()
        lab.damage("h2", "libvirtd")
    lab.mend("h2")
    jobs_end(cluster)
    await_as_it_was(cluster, "moved", boot)
    assert_sound(cluster, lab)


def test_sshd_is_away_for_a_while(cluster: Program, lab: LabHandle) -> None:
    gate = Gate(lab, "h2", "qemu-img", "create")
    with gate.shut():
        number = cluster.out("vm", "create", "made", "--image", "own", "--host", "h2", *SMALL, "--no-wait")
        gate.await_reached()
        lab.damage("h2", "sshd")
    eventually(lambda: any(job["state"] == "waiting" for job in open_jobs(cluster)), "a job that waits")
    lab.mend("h2")
    cluster.out("vm", "wait", number, "RUNNING", "--timeout", "2m")
    assert_sound(cluster, lab)


def test_a_full_host_is_said_and_nothing_half_is_left(cluster: Program, lab: LabHandle, guest_image: Path) -> None:
    cluster.out("image", "create", "later", "--path", str(guest_image))
    lab.damage("h2", "disk")
    refused = cluster.run("vm", "create", "made", "--image", "later", "--host", "h2", *SMALL)
    assert refused.returncode == 1
    assert "no room" in refused.stderr
    assert "hint:" in refused.stderr
    assert look(lab, "h2").of("half") == set()
    lab.mend("h2")
    cluster.out("vm", "recover", "made", "--retry")
    eventually(lambda: cluster.state("made") == "RUNNING", "the guest, once there is room")
    assert_sound(cluster, lab)


def test_an_image_for_a_full_host_is_refused_in_one_error(cluster: Program, lab: LabHandle, guest_image: Path) -> None:
    lab.damage("h2", "disk")
    refused = cluster.run("image", "create", "never", "--path", str(guest_image), "--host", "h2")
    assert refused.returncode == 1
    assert refused.stderr.count("error:") == 1, refused.stderr
    assert "No space left" in refused.stderr
    assert look(lab, "h2").of("half") == set()
    assert list((cluster.home / "staging").iterdir()) == []
    lab.mend("h2")
    cluster.out("image", "remove", "never")
    assert_sound(cluster, lab)


def test_an_image_on_its_way_to_a_host_that_is_cut_off_goes_on(cluster: Program, lab: LabHandle, tmp_path: Path) -> None:
    source = tmp_path / "far.raw"
    source.write_bytes(random.Random(1).randbytes(24 << 20))
    lab.damage("h2", "slow-network")
    cluster.out("image", "create", "far", "--path", str(source), "--format", "raw", "--host", "h2", "--no-wait")
    [job] = [str(job["id"]) for job in open_jobs(cluster)]
    eventually(lambda: bool(look(lab, "h2").of("half")), "the beginning of the upload")
    lab.damage("h2", "network")
    eventually(lambda: waits(cluster, job), "a job that waits for h2", seconds=120)
    lab.mend("h2")
    jobs_end(cluster)
    shown = cluster.json("image", "show", "far", "-f", "json")
    assert (shown["state"], shown["copies_on"]) == ("READY", ["h2"])
    came = lab.exec("h2", "sh", "-c", 'sha256sum "$1"/*/images/"$2".raw', "sum", OWN, shown["uuid"])
    assert came.split()[0] == hashlib.sha256(source.read_bytes()).hexdigest()
    cluster.out("image", "remove", "far")
    assert_sound(cluster, lab)


def test_a_copy_that_a_power_cut_ended_is_made_again(cluster: Program, lab: LabHandle, guest_image: Path) -> None:
    cluster.out("image", "create", "again", "--path", str(guest_image), "--host", "h1")
    copy = Gate(lab, "h2", "rsync", "images")
    with copy.shut():
        cluster.out("vm", "create", "made", "--image", "again", "--host", "h2", *SMALL, "--no-wait")
        copy.await_reached()
        lab.damage("h2", "power")
    [job] = [str(job["id"]) for job in open_jobs(cluster)]
    eventually(lambda: waits(cluster, job), "a job that waits for h2", seconds=120)
    lab.mend("h2")
    jobs_end(cluster)
    assert cluster.state("made") == "RUNNING"
    assert_sound(cluster, lab)
