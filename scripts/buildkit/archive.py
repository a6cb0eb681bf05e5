"""The file itself: a shell script, then a zip with what all interpreters share and a part for each."""

from __future__ import annotations

import hashlib
import io
import platform
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .interpreters import Interpreter

RUNTIME = Path(__file__).resolve().parent / "runtime"
MADE = (1980, 1, 1, 0, 0, 0)
"""One date for all entries: the same input gives the same file."""


def write(target: Path, version: str, interpreters: Sequence[Interpreter], trees: Mapping[str, Mapping[str, bytes]]) -> None:
    """Write the executable `target` from one tree of files per interpreter's abi."""
    parts = {f"{name}.zip": _zip(files) for name, files in split(trees).items()}
    runtime = {
        "__main__.py": (RUNTIME / "main.py").read_bytes(),
        "unpack.py": (RUNTIME / "unpack.py").read_bytes(),
        "start.py": (RUNTIME / "start.py").read_bytes(),
    }
    body = _zip({**runtime, **parts}, stored=parts)
    partial = target.with_name(f"{target.name}.partial")
    partial.write_bytes(_header(version, interpreters, hashlib.sha256(body).hexdigest()[:16]) + body)
    partial.chmod(0o755)
    partial.replace(target)


def split(trees: Mapping[str, Mapping[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """The files that are the same for all interpreters, once, as "common"; the rest under its interpreter's abi."""
    first, *others = trees.values()
    common = {name: data for name, data in first.items() if all(tree.get(name) == data for tree in others)}
    own = {abi: {name: data for name, data in tree.items() if name not in common} for abi, tree in trees.items()}
    return {"common": common, **own}


def _header(version: str, interpreters: Sequence[Interpreter], build: str) -> bytes:
    values = {
        "VERSION": version,
        "VERSIONS": _listed([each.version for each in interpreters]),
        "MACHINE": platform.machine(),
        "BUILD": build,
        "ABIS": " ".join(each.abi for each in reversed(interpreters)),
        "NAMES": " ".join(f"python{each.version}" for each in reversed(interpreters)),
    }
    script = (RUNTIME / "header.sh").read_text()
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return script.encode()


def _listed(versions: Sequence[str]) -> str:
    return f"{', '.join(versions[:-1])} or {versions[-1]}" if len(versions) > 1 else versions[0]


def _zip(files: Mapping[str, bytes], stored: Mapping[str, bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, MADE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name in (stored or {}) else zipfile.ZIP_DEFLATED
            target.writestr(entry, data, compresslevel=9)
    return buffer.getvalue()
