"""A Ceph of one monitor, one manager and one OSD on a file, with cephx: a storage cluster beside a lab's hosts.

It runs in namespaces of its own, cabled to the management network; ending their first process ends all of it. The hosts get
nothing but what a person would give them: an address, a user and that user's key.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import uuid
from pathlib import Path

from . import beside, network, proc
from .errors import LabError
from .run import attempt, run
from .spec import Lab, command, save

PACKAGES = ("ceph-mon", "ceph-osd", "ceph-mgr", "ceph-common", "libeatmydata1")
POOL, USER = "nebula", "nebula"
_HOST_BYTE = 5
FIRST = "aaaaaaaa-0000-4000-8000-000000000000"
_MODULES = ("mgr_module.py", "mgr_util.py", "status")
"""All others cost a manager half a minute of its start and 250 MB."""
_NO_FLUSHES = "libeatmydata.so"
"""A lab is thrown away: its Ceph need not outlive the machine's power, and each write waits for several flushes otherwise."""
_DAEMONS = ("ceph-mon", "ceph-mgr", "ceph-osd")


def up(lab: Lab, gibibytes: int) -> None:
    """Make and start it, with a pool and its user; what fails on the way is taken down again."""
    if lab.ceph is not None:
        raise LabError(f"lab {lab.name} has a Ceph already", hint=f"{command(lab.root)} ceph status")
    try:
        _build(lab, gibibytes)
    except BaseException:
        down(lab)
        raise


def down(lab: Lab) -> None:
    """End it and remove all of it; where there is none: nothing."""
    proc.kill(lab.ceph)
    lab.ceph = None
    network.pull_out(_link(lab))
    shutil.rmtree(_base(lab), ignore_errors=True)
    save(lab)


def report(lab: Lab) -> dict[str, object] | None:
    """What a datastore of it is created with, and which of its daemons run; None where there is none."""
    if lab.ceph is None:
        return None
    return {
        "host": address(lab),
        "pool": POOL,
        "user": USER,
        "key_file": str(_base(lab) / "key"),
        "conf": str(_conf(lab)),
        "runs": sorted({name for _, name in proc.in_namespace(lab.ceph) if name in _DAEMONS}),
    }


def address(lab: Lab) -> str:
    """The monitor's address."""
    return beside.address(lab, _HOST_BYTE)


def stop_osd(lab: Lab) -> None:
    """The OSD dies by SIGKILL."""
    for known, name in proc.in_namespace(_running(lab)):
        if name == "ceph-osd":
            os.kill(known.pid, signal.SIGKILL)


def start_osd(lab: Lab) -> None:
    """The OSD is there again; running already: nothing."""
    if not any(name == "ceph-osd" for _, name in proc.in_namespace(_running(lab))):
        _inside(lab, "ceph-osd", "-i", "0", "-c", str(_conf(lab)))
        _await_up(lab)


def admin(lab: Lab, *argv: str) -> str:
    """The output of `ceph` or `rbd` (the first word) as the cluster's administrator."""
    return _inside(lab, argv[0], "-c", str(_conf(lab)), *argv[1:])


def _build(lab: Lab, gibibytes: int) -> None:
    base, conf = _base(lab), _conf(lab)
    for name in ("mon", "mgr", "osd", "run"):
        (base / name).mkdir(parents=True)
    conf.write_text(_CONF.format(fsid=uuid.uuid4(), address=address(lab), base=base, size=gibibytes << 30))
    _first_process(lab)
    _monitor(lab, base, conf)
    _manager(lab, base, conf)
    _osd(lab, base, conf)
    admin(lab, "ceph", "osd", "pool", "create", POOL, "8", "8")
    admin(lab, "ceph", "osd", "pool", "application", "enable", POOL, "rbd")
    _await_up(lab)
    caps = ("mon", "profile rbd", "osd", f"profile rbd pool={POOL}", "mgr", f"profile rbd pool={POOL}")
    key = json.loads(admin(lab, "ceph", "auth", "get-or-create", f"client.{USER}", *caps, "-f", "json"))[0]["key"]
    path = base / "key"
    path.touch(mode=0o600)
    path.write_text(f"{key}\n")


def _first_process(lab: Lab) -> None:
    lab.ceph = beside.start(lab, "Ceph", _link(lab), _HOST_BYTE)
    save(lab)


def _monitor(lab: Lab, base: Path, conf: Path) -> None:
    ring, fsid = str(base / "mon.keyring"), conf.read_text().split("fsid = ")[1].split()[0]
    for path, name, caps in (
        (ring, "mon.", ("mon", "allow *")),
        (str(base / "admin.keyring"), "client.admin", ("mon", "allow *", "osd", "allow *", "mgr", "allow *")),
    ):
        words = [word for kind, cap in zip(caps[::2], caps[1::2], strict=True) for word in ("--cap", kind, cap)]
        run(["ceph-authtool", "--create-keyring", path, "--gen-key", "-n", name, *words])
    run(["ceph-authtool", ring, "--import-keyring", str(base / "admin.keyring")])
    places = f"[v2:{address(lab)}:3300,v1:{address(lab)}:6789]"
    run(["monmaptool", "--create", "--addv", "a", places, "--fsid", fsid, str(base / "monmap")])
    monitor = ["ceph-mon", "-i", "a", "-c", str(conf)]
    run([*monitor, "--mkfs", "--monmap", str(base / "monmap"), "--keyring", ring], seconds=60)
    _inside(lab, *monitor)
    admin(lab, "ceph", "mon", "enable-msgr2")


def _manager(lab: Lab, base: Path, conf: Path) -> None:
    caps = ("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
    (base / "modules").mkdir()
    for name in _MODULES:
        (base / "modules" / name).symlink_to(f"/usr/share/ceph/mgr/{name}")
    (base / "mgr" / "keyring").write_text(admin(lab, "ceph", "auth", "get-or-create", "mgr.x", *caps))
    _inside(lab, "ceph-mgr", "-i", "x", "-c", str(conf))


def _osd(lab: Lab, base: Path, conf: Path) -> None:
    key = run(["ceph-authtool", "--gen-print-key"]).strip()
    _inside(lab, "ceph", "-c", str(conf), "osd", "new", FIRST, "-i", "-", text=json.dumps({"cephx_secret": key}))
    (base / "osd" / "keyring").write_text(f"[osd.0]\n\tkey = {key}\n")
    _inside(lab, "ceph-osd", "-i", "0", "-c", str(conf), "--mkfs", "--osd-uuid", FIRST)
    _inside(lab, "ceph-osd", "-i", "0", "-c", str(conf))


def _await_up(lab: Lab) -> None:
    def answers() -> bool:
        told = json.loads(admin(lab, "ceph", "status", "-f", "json"))
        states = told["pgmap"].get("pgs_by_state", [])
        return told["osdmap"]["num_up_osds"] == 1 and bool(states) and all(
            "active" in state["state_name"] for state in states
        )  # fmt: skip

    proc.wait_until(answers, seconds=90, what="Ceph's pool to be usable")


def _inside(lab: Lab, *argv: str, text: str = "") -> str:
    enter = ["nsenter", "-t", str(_running(lab).pid), "-n", "-p", "-m", "--", "env", f"LD_PRELOAD={_NO_FLUSHES}", *argv]
    done = attempt(enter, seconds=120, cwd=Path("/"), stdin=text)
    if done.returncode:
        raise LabError(f"{' '.join(argv)} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


def _running(lab: Lab) -> proc.Process:
    if lab.ceph is None:
        raise LabError(f"lab {lab.name} has no Ceph", hint=f"{command(lab.root)} ceph up")
    return lab.ceph


def _base(lab: Lab) -> Path:
    return lab.root / "ceph"


def _conf(lab: Lab) -> Path:
    return _base(lab) / "ceph.conf"


def _link(lab: Lab) -> str:
    return f"{lab.bridge()}ceph"


_CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:{address}:3300,v1:{address}:6789]
public_addr = {address}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
run_dir = {base}/run
admin_socket = {base}/run/$name.sock
pid_file = {base}/run/$name.pid
log_file = {base}/$name.log
log_to_syslog = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_warn = 1
mon_data_avail_crit = 1
mon_warn_on_pool_no_redundancy = false
mon_osd_report_timeout = 20
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
ms_crc_data = false
osd_objectstore = bluestore
bluestore_block_size = {size}
bluestore_cache_size = 33554432
bluestore_block_db_create = false
bluestore_block_wal_create = false
osd_memory_target = 939524096
bluestore_cache_autotune = false
mgr_stats_period = 1
mgr_tick_period = 1
[client]
keyring = {base}/admin.keyring
log_file =
[mon]
mon_data = {base}/mon
[mgr]
mgr_data = {base}/mgr
mgr_module_path = {base}/modules
mgr_initial_modules =
[osd]
osd_data = {base}/osd
"""
