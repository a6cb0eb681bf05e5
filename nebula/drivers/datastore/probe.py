"""A look at an untrusted image: our own eyes first, then qemu-img with a fixed format and under limits."""

from __future__ import annotations

import json
from typing import Any

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.header import HEAD_BYTES, LUKS, MAX_VIRTUAL_SIZE, examine
from nebula.errors import CommandError, ImageError, NotFoundError, TimedOutError, UsageError
from nebula.model.storage import Format, ImageProbe

_MEMORY = 1 << 30
_CPU_SECONDS = 20
_WALL_SECONDS = 60.0


def probe_image(host: HostHandle, path: str, claimed: str) -> ImageProbe:
    """Size and format of the file at `path`; ImageError if it is not an image that may be taken in."""
    _must_be_regular(host, path)
    head = host.transport.run(["head", "-c", str(HEAD_BYTES), "--", path], root=True).stdout
    if not head:
        raise ImageError(f"{path} on host {host.name} is empty", hint=f"ssh {host.name} ls -l {path}")
    found = examine(head, path)
    if found == "raw" and not claimed and head.startswith(LUKS):
        raise ImageError(
            f"{path} is encrypted (LUKS)",
            cause="Nebula has no key for it",
            hint="if the guest itself unlocks it: --format raw",
        )
    if claimed and claimed != found:
        hint = f"if the file is what you mean, say its format: --format {found}"
        raise ImageError(f"{path} is not what it is said to be", cause=f"said to be {claimed}, found to be {found}", hint=hint)
    return _judged(_ask_qemu(host, path, found), path, found)


def _must_be_regular(host: HostHandle, path: str) -> None:
    if not path.startswith("/"):
        raise UsageError(f"{path!r} is no absolute path", cause="a tool on the host might read it as something else")
    kind = host.transport.run(["stat", "-c", "%F", "--", path], root=True, check=False)
    if kind.status:
        words = kind.stderr.decode("utf-8", "replace").strip()
        raise NotFoundError(f"there is no file {path} on host {host.name}", cause=words, hint=f"ssh {host.name} ls -l {path}")
    if not kind.text.startswith("regular"):
        raise ImageError(f"{path} on host {host.name} is no regular file", cause=f"it is a {kind.text.strip()}")


def _ask_qemu(host: HostHandle, path: str, found: Format) -> Any:
    limits = ["prlimit", f"--as={_MEMORY}", f"--cpu={_CPU_SECONDS}", "--core=0", "--"]
    argv = [*limits, "qemu-img", "info", "--output=json", "-f", found, "-U", path]
    try:
        return json.loads(host.transport.run(argv, root=True, timeout=_WALL_SECONDS).stdout)
    except (CommandError, TimedOutError) as error:
        raise ImageError(
            f"{path} cannot be read as {found}", cause=error.cause, hint=f"qemu-img info -f {found} {path}"
        ) from error
    except ValueError as error:
        raise ImageError(f"qemu-img on host {host.name} answered no JSON about {path}", cause=str(error)) from error


def _judged(told: Any, path: str, found: Format) -> ImageProbe:
    if told.get("backing-filename") or told.get("format-specific", {}).get("data", {}).get("data-file"):
        hint = f"qemu-img convert -O qcow2 {path} whole.qcow2"
        raise ImageError(f"{path} refers to another file", cause="part of its content lies elsewhere", hint=hint)
    if told.get("encrypted"):
        raise ImageError(f"{path} is encrypted", hint=f"qemu-img info {path}")
    size = int(told["virtual-size"])
    if not 0 < size <= MAX_VIRTUAL_SIZE:
        raise ImageError(f"{path} has a virtual size of {size} bytes", cause="more than nothing and at most 64 TiB are taken")
    return ImageProbe(format=found, virtual_size=size, actual_size=int(told["actual-size"]))
