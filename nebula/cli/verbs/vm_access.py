"""nebula vm console, vnc and ssh."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from nebula.cli.objects import Target, resolve_one
from nebula.errors import (
    ConflictError,
    InterruptedByUser,
    NebulaError,
    NotFoundError,
    UnreachableError,
    UsageError,
    WrongStateError,
)

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Detail
    from nebula.engine.api.verbs import Engine, Tunnel

_VIEWERS = (("remote-viewer", "{type}://{address}"), ("gvncviewer", "{display}"), ("vncviewer", "{display}"))
_VNC_BASE = 5900
_WHILE = 3600.0
_OFF = ("shutoff", "crashed")
_DYING, _AGAIN = 3.0, 0.2
"""Seconds for which a guest whose console ended is asked after, and between two questions."""
_SILENT = frozenset({"PENDING", "HOLD", "CLONING", "POWEROFF", "SUSPENDED", "STOPPED", "UNDEPLOYED", "DONE"})
"""States in which no guest answers."""
_PATIENCE = 15
"""Seconds that ssh tries to reach a guest."""


def console(context: Context, line: Invocation) -> int:
    """Attach this terminal to the serial console."""
    from nebula.cli.console import attach

    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        if not sys.stdin.isatty():
            raise UsageError("the console needs a terminal to type on", hint=f"nebula vm log {target.ref}")
        stream = engine.vms.console(target.ref)
        context.say(f"console of {target.name} ({target.ref}); Ctrl-] leaves it")
        ending = attach(stream, sys.stdin.fileno(), sys.stdout.fileno())
    context.say(f"\n{ending.words}")
    if ending.how == "closed":
        _require_off(context, target)
    return InterruptedByUser.exit_status if ending.how == "signal" else 0


def _require_off(context: Context, target: Target) -> None:
    """A console that closes by itself does so with its VM, or because the way there is lost: UnreachableError then. A guest's
    end closes it before its host says that the guest is off.
    """
    until = time.monotonic() + _DYING
    while state := _on(context, target):
        if time.monotonic() > until:
            raise UnreachableError(
                f"the console of VM {target.name} was lost",
                cause=f"the VM is {state}: the engine or the host went away",
                hint=f"nebula vm console {target.ref}",
            )
        time.sleep(_AGAIN)


def _on(context: Context, target: Target) -> str:
    """Its state, if its guest may still run; empty otherwise."""
    with context.reader() as engine:
        body = engine.vms.show(target.ref, refresh=True).body
    state = str(body["state"])
    return state if state in {"RUNNING", "UNKNOWN"} and (body.get("domain") or {}).get("state") not in _OFF else ""


def vnc(context: Context, line: Invocation) -> int:
    """Open a tunnel to the VNC console and keep it open."""
    return _screen(context, line, "vnc")


def spice(context: Context, line: Invocation) -> int:
    """Open a tunnel to the SPICE console and keep it open."""
    return _screen(context, line, "spice")


def _screen(context: Context, line: Invocation, kind: str) -> int:
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        tunnel = engine.vms.graphics(target.ref)
        try:
            if tunnel.type != kind:
                raise ConflictError(
                    f"VM {target.name} has no {kind} console", cause=f"it has a {tunnel.type} one", hint=_other(tunnel, target)
                )
            context.write(f"{tunnel.type}://{tunnel.address}")
            context.out.flush()
            if tunnel.password:
                context.say(f"password: {tunnel.password}")
            if line.flag("open"):
                return _view(tunnel)
            context.say("open until Ctrl-C")
            while tunnel.wait(_WHILE):
                pass
            raise UnreachableError(
                f"the way to VM {target.name}'s console closed", cause="the engine or the host went away", hint="nebula status"
            )
        finally:
            tunnel.close()


def _other(tunnel: Tunnel, target: Target) -> str:
    return f"nebula vm {tunnel.type} {target.ref}" if tunnel.type in {"vnc", "spice"} else f"nebula vm console {target.ref}"


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
    return context.become(program, argv)


def ssh_argv(line: Invocation, engine: Engine, target: Target) -> list[str]:
    """The command line of ssh; ConflictError if the VM does not run or has no address. The guest's key is remembered by
    the VM, not by the address, which another VM may have had.
    """
    detail = engine.vms.show(target.ref)
    state = str(detail.body.get("state", ""))
    if state in _SILENT:
        raise WrongStateError(
            f"VM {target.name} ({target.ref}) is {state}: nobody answers", hint=f"nebula vm describe {target.ref}"
        )
    address = _address_of(detail, line.text("nic")) if line.text("nic") else _address(engine, target, detail)
    user = line.text("user") or user_of(engine, detail)
    if user.startswith("-"):
        raise UsageError(f"{user!r} is not a user", hint="--user root")
    jump = ["-J", _jump(engine, detail)] if line.flag("jump") else []
    settings = ["-o", f"HostKeyAlias=nebula-{detail.body['uuid']}", "-o", f"ConnectTimeout={_PATIENCE}"]
    return ["ssh", *settings, *jump, "-l", user, "--", address, *line.texts("command")]


def _address_of(detail: Detail, ref: str) -> str:
    """The address of the card or alias of that name, number or MAC address, IPv4 before IPv6; NotFoundError."""
    cards = detail.body.get("nics") or []
    known = [held for card in cards for held in (card, *card.get("aliases", ()))]
    for held in known:
        if ref in {str(held["nic_id"]), held["name"]} or ref.lower() == held["mac"]:
            address = held["ip"] or held["ip6"]
            if address:
                return str(address)
    raise NotFoundError(
        f"VM {detail.name} ({detail.id}) has no card {ref[:40]!r} with an address",
        cause=f"it has {', '.join(held['name'] for held in known) or 'none'}",
        hint=f"nebula vm show {detail.id}",
    )


def _address(engine: Engine, target: Target, detail: Detail) -> str:
    """The first of its leases; else what its agent or its host knows, IPv4 before IPv6."""
    leased = detail.body.get("addresses") or []
    if leased:
        return str(leased[0])
    found = sorted((item.address for item in engine.vms.addresses(target.ref)), key=lambda address: ":" in address)
    if not found:
        raise ConflictError(
            f"VM {target.name} has no address",
            cause="none is leased to it, no agent answers in it, and its host has not seen it on the network",
            hint=f"nebula vm console {target.ref}",
        )
    return found[0]


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
