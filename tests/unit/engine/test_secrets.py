"""Secrets that people put wherever they can are not in what the engine shows, tells, logs or packs for a bug report, nor in
the process list."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula.engine.api.values import Call
from nebula.engine.api.verbs import Engine
from nebula.engine.secrets import hide
from tests.contract.engine import ended, running
from tests.support.ways import through_daemon

SECRET = "hunter2-s3cr3t"
URL = f"http://user:p@{SECRET}@127.0.0.1:9/image.qcow2?X-Amz-Signature={SECRET}&token={SECRET}"
PLANTED = {
    "DB_PASSWORD": SECRET,
    "DB_PASS": SECRET,
    "WIFI_PSK": SECRET,
    "API_TOKENS": [SECRET, {"A": SECRET}],
    "DATABASE": f"postgresql://nebula:{SECRET}@db/nebula",
    "NOTES": f"fetched with curl 'https://me:{SECRET}@example.org/a?key={SECRET}', see there",
}
SCRIPTED = "sesame-in-a-script"
"""A secret that whoever sees the VM may see, and nobody else."""
USER_DATA = f"#cloud-config\nchpasswd: {{list: 'root:{SCRIPTED}'}}\n"


@pytest.mark.parametrize("value", PLANTED.values())
def test_a_value_without_its_secrets(value: Any) -> None:
    assert SECRET not in json.dumps(hide({"PASSWORD_OR_URL": value}))


def test_what_is_no_secret_stays() -> None:
    plain = {"NAME": "web", "PASSTHROUGH": "yes", "URL": "https://example.org/a/b", "MAIL": "me@example.org", "COUNT": 3}
    assert hide(plain) == plain


def _plant(engine: Engine) -> list[int]:
    """In everything that takes attributes, URLs or text; returns jobs that failed."""
    engine.hosts.add({"name": "kvm1", "driver": "sim", "attributes": PLANTED}, Call())
    engine.clusters.create("safe", Call())
    engine.datastores.create({"name": "disks", "driver": "sim", "settings": PLANTED}, Call())
    template = {
        "NAME": "web",
        "MEMORY": "128",
        "CONTEXT": {"PASSWORD": SECRET, "USER_DATA": USER_DATA, "START_SCRIPT": f"echo {SCRIPTED}", "ONEGATE_TOKEN": SECRET},
        "GRAPHICS": {"TYPE": "SPICE", "PASSWD": SECRET},
        **PLANTED,
    }
    engine.vms.create(template, Call())
    engine.vms.update("web", {**PLANTED, "REMOTE": URL}, Call())
    running(engine, "other")
    spec = {"name": "picture", "url": URL, "checksum_url": URL, "datastore": "disks"}
    image = engine.images.create(spec, Call())
    job = ended(engine, image)
    assert job.state == "failed"
    return [job.id]


def _said(engine: Engine, jobs: list[int]) -> dict[str, str]:
    """All that can be read of it."""
    shown: dict[str, Any] = {
        "vm": engine.vms.show("web", refresh=True),
        "vm described": engine.vms.describe("web"),
        "vm log": engine.vms.log("web"),
        "vm history": engine.vms.history("web"),
        "host": engine.hosts.show("kvm1"),
        "host described": engine.hosts.describe("kvm1"),
        "datastore": engine.datastores.show("disks"),
        "image": engine.images.show("picture"),
        "events": engine.events.list(),
        "jobs": [engine.jobs.show(job) for job in jobs],
        "logs of jobs": [engine.jobs.log(job) for job in jobs],
        "doctor": engine.system.doctor(),
        "status": engine.system.status(),
    }
    return {name: msgspec.json.encode(value).decode() for name, value in shown.items()}


def _bundled(path: Path) -> str:
    with tarfile.open(path) as archive:
        files = [archive.extractfile(item) for item in archive.getmembers()]
        return "\n".join(file.read().decode() for file in files if file is not None)


def _process_list() -> str:
    """The arguments of every process, as anybody sees them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_no_secret_comes_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with through_daemon(home) as engine:
        jobs = _plant(engine)
        said = _said(engine, jobs)
        said["bundle"] = _bundled(Path(engine.system.support(str(tmp_path / "bundle.tar.gz"))))
        said["process list"] = _process_list()
        private = [file.read_text() for file in home.rglob("*") if file.is_file() and "PRIVATE KEY" in _text(file)]
    said["daemon's log"] = home.with_suffix(".log").read_text()
    for name, text in said.items():
        assert SECRET not in text, name
        assert SCRIPTED not in text or name == "vm", name
        assert "PRIVATE KEY" not in text, name
        assert not any(key.strip() in text for key in private), name
    assert '"USER_DATA":"(' in said["bundle"].replace(" ", ""), "what is left out is named"


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")
