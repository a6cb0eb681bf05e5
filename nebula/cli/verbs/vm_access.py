"""nebula vm console, vnc and ssh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from nebula.cli.objects import Target, resolve_one
from nebula.errors import ConflictError, NebulaError, UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Detail
    from nebula.engine.api.verbs import Engine, Tunnel

_VIEWERS = (("remote-viewer", "{type}://{address}"), ("gvncviewer", "{display}"), ("vncviewer", "{display}"))
_VNC_BASE = 5900


def console(context: Context, line: Invocation) -> int:
    """Attach this terminal to the serial console."""
    from nebula.cli.console import attach

    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        if not sys.stdin.isatty():
            raise UsageError("the console needs a terminal to type on", hint=f"nebula vm log {target.ref}")
        stream = engine.vms.console(target.ref)
        context.say(f"console of {target.name} ({target.ref}); Ctrl-] leaves it")
        reason = attach(stream, sys.stdin.fileno(), sys.stdout.fileno())
    context.say(f"\n{reason}")
    return 0


def vnc(context: Context, line: Invocation) -> int:
    """Open a tunnel to the graphical console and keep it open."""
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        tunnel = engine.vms.graphics(target.ref)
        try:
            context.write(f"{tunnel.type}://{tunnel.address}")
            context.out.flush()
            if line.flag("open"):
                return _view(tunnel)
            context.say("open until Ctrl-C")
            while True:
                time.sleep(3600)
        finally:
            tunnel.close()


def _view(tunnel: Tunnel) -> int:
    viewer, argument = viewer_for(tunnel.type, tunnel.address)
    return subprocess.run([viewer, argument], check=False, stdin=subprocess.DEVNULL).returncode and 1


def viewer_for(kind: str, address: str) -> tuple[str, str]:
    """(program, its argument) that shows the console; NebulaError if there is none here."""
    host, _, port = address.rpartition(":")
    display = f"{host}:{int(port) - _VNC_BASE}"
    for program, pattern in _VIEWERS:
        path = shutil.which(program)
        if path and (kind == "vnc" or "{type}" in pattern):
            return path, pattern.format(type=kind, address=address, display=display if int(port) >= _VNC_BASE else address)
    raise NebulaError(f"there is no {kind} viewer on this machine", hint="apt install virt-viewer, or leave --open out")


def ssh(context: Context, line: Invocation) -> int:
    """Become ssh to the VM's first address."""
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        argv = ssh_argv(line, engine, target)
    program = shutil.which("ssh")
    if program is None:
        raise NebulaError("ssh is not installed on this machine", hint="apt install openssh-client")
    context.out.flush()
    os.execv(program, argv)  # noqa: S606 - no shell is what we want


def ssh_argv(line: Invocation, engine: Engine, target: Target) -> list[str]:
    """The command line of ssh; ConflictError if the VM has no address."""
    detail = engine.vms.show(target.ref)
    addresses = detail.body.get("addresses") or []
    if not addresses:
        raise ConflictError(f"VM {target.name} has no address", hint=f"nebula vm console {target.ref}")
    user = line.text("user") or user_of(engine, detail)
    if user.startswith("-"):
        raise UsageError(f"{user!r} is not a user", hint="--user root")
    jump = ["-J", _jump(engine, detail)] if line.flag("jump") else []
    return ["ssh", *jump, "-l", user, "--", str(addresses[0]), *line.texts("command")]


def user_of(engine: Engine, detail: Detail) -> str:
    """The login of the VM's first image, root where it names none."""
    context = (detail.body.get("template") or {}).get("CONTEXT") or {}
    if context.get("USERNAME"):
        return str(context["USERNAME"])
    image = next((disk.get("image") for disk in detail.body.get("disks") or [] if disk.get("image")), None)
    body = engine.images.show(str(image)).body if image else {}
    return str(body.get("user") or body.get("default_user") or "root")


def _jump(engine: Engine, detail: Detail) -> str:
    host = detail.body.get("host")
    if not host:
        raise ConflictError(f"VM {detail.name} is on no host", hint=f"nebula vm describe {detail.id}")
    body = engine.hosts.show(str(host)).body
    address = body.get("address")
    if not address:
        raise UsageError(f"host {host} is this machine: no jump is needed", hint="leave --jump out")
    return f"{body.get('user', 'root')}@{address}:{body.get('port', 22)}"
