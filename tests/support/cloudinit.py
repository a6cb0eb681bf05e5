"""Debian's cloud-init, unmodified, on a context CD: what its OpenNebula datasource makes of it.

It runs under the system's Python, in a process of its own without any rights, which answers one question a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

_PYTHON = "/usr/bin/python3"
_NOBODY = "nobody"
_PROGRAM = """
import json, logging, sys
from cloudinit.sources import DataSourceOpenNebula as source
logging.disable(logging.CRITICAL)
for line in sys.stdin:
    asked = json.loads(line)
    source.get_physical_nics_by_mac = lambda distro: asked["cards"]
    try:
        answer = source.read_context_disk_dir(asked["directory"], None, asuser=asked["user"])
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
"""


class CloudInit:
    """The datasource. `user`: whom it reads the script as, by sudo; empty: as it runs, without rights already."""

    def __init__(self, user: str = "") -> None:
        self._user = user
        self._folder = tempfile.TemporaryDirectory(prefix="nebula-cloudinit-")
        Path(self._folder.name).chmod(0o755)
        rights = {} if user or os.geteuid() else {"user": _NOBODY, "group": "nogroup", "extra_groups": []}
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            [_PYTHON, "-I", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            **rights,
        )

    def __enter__(self) -> CloudInit:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0
        self._process.stdout.close()
        self._folder.cleanup()

    def read(self, script: bytes, cards: dict[str, str] | None = None) -> dict[str, Any]:
        """What it makes of context.sh; `cards`: MAC -> name of the machine's cards."""
        path = Path(self._folder.name) / "context.sh"
        path.write_bytes(script)
        path.chmod(0o444)
        question = {"directory": self._folder.name, "cards": cards or {}, "user": self._user or None}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer


def from_cd(iso: bytes, name: str) -> bytes:
    """A file of a CD, read by genisoimage's own reader."""
    with tempfile.NamedTemporaryFile(suffix=".iso") as image:
        image.write(iso)
        image.flush()
        argv = ["isoinfo", "-i", image.name, "-R", "-x", f"/{name}"]
        return subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout


def rendered(network: dict[str, Any], kind: str) -> dict[str, set[str]]:
    """What it writes down for ifupdown (`eni`), netplan, networkd or network-manager: the lines of each card's part, by the
    line that begins it, or by the card where each has a file of its own.
    """
    with tempfile.TemporaryDirectory(prefix="nebula-cloudinit-") as name:
        folder = Path(name)
        (folder / "network").write_text(json.dumps(network))
        argv = [_PYTHON, "-I", "-m", "cloudinit.cmd.main", "devel", "net-convert", "--network-data", str(folder / "network")]
        argv += ["--kind", "yaml", "--directory", str(folder / "made"), "--distro", "debian", "--output-kind", kind]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)
        files = [path for path in (folder / "made").rglob("*") if path.is_file() and path.suffix != ".rules"]
        if kind in {"networkd", "network-manager"}:
            cards = network["ethernets"]
            return {card: set(path.read_text().splitlines()) for card in cards for path in files if card in path.name}
        return _parts(files[0].read_text().splitlines())


def _parts(lines: list[str]) -> dict[str, set[str]]:
    """Parts begin where `iface` or a card's name stands."""
    parts: dict[str, set[str]] = {}
    head = ""
    for line in map(str.strip, lines):
        if line.startswith("iface ") or (line.startswith("en") and line.endswith(":")):
            head = line
        parts.setdefault(head, set()).add(line)
    return parts
