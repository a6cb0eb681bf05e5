"""The commands of `nebula daemon`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli import systemd
from nebula.cli.showing import print_mapping
from nebula.errors import OwnerError, UsageError, VersionError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def run(context: Context, line: Invocation) -> int:  # noqa: ARG001 - every handler has this shape
    """Be the daemon."""
    return context.connect.serve(context.options)


def install(context: Context, line: Invocation) -> int:
    """Write and start the unit, or print it."""
    home = context.options.home or context.environ.get("NEBULA_HOME", "") or systemd.SYSTEM_HOME
    text = systemd.unit([*systemd.program(), "--daemon"], home)
    if line.flag("print"):
        context.write(text.rstrip("\n"))
        return 0
    if line.flag("dry_run"):
        context.write(f"write {systemd.UNIT}, enable it and start the engine with home {home}")
        return 0
    systemd.install(text)
    context.say(f"{systemd.UNIT} is written, the engine runs with home {home}")
    return 0


def uninstall(context: Context, line: Invocation) -> int:
    """Stop and remove the unit."""
    if line.flag("dry_run"):
        there = systemd.UNIT.exists()
        context.write(f"stop the engine and remove {systemd.UNIT}" if there else f"nothing: there is no {systemd.UNIT}")
        return 0
    context.say("the unit is removed; the home stays" if systemd.uninstall() else f"there is no {systemd.UNIT}")
    return 0


def onegate(context: Context, line: Invocation) -> int:
    """Print the settings, or change them."""
    listen, endpoint, off = line.text("listen"), line.text("endpoint"), line.flag("off")
    if not (listen or endpoint or off):
        return _print_onegate(context)
    if off and (listen or endpoint):
        raise UsageError("--off goes with nothing else", hint="nebula daemon onegate --off")
    with context.changer() as engine:
        now = engine.onegate.show()
        chosen = "" if off else listen or now.listen
        accepted = engine.onegate.set(chosen, context.call(dry_run=line.flag("dry_run")), endpoint)
        for text in accepted.would:
            context.write(text)
        if accepted.would:
            return 0
        told = engine.onegate.show()
    context.say(f"guests report to {told.endpoint}, from their next start on" if told.listen else "no guest is told to report")
    return 0


def _print_onegate(context: Context) -> int:
    with context.reader() as engine:
        found = engine.onegate.show()
    body = {
        "listen": found.listen or "nowhere: nebula daemon onegate --listen ADDRESS:PORT",
        "endpoint": found.endpoint or None,
        "guests": None if not found.listen else "can report" if found.listening else f"cannot report: {found.problem}",
    }
    print_mapping(context, {name: value for name, value in body.items() if value is not None}, "text")
    return 0


def stop(context: Context, line: Invocation) -> int:
    """Ask whoever owns the engine to let go: in words, or, if it speaks otherwise than we do, by SIGTERM."""
    dry_run = line.flag("dry_run")
    try:
        number = _ask(context, dry_run=dry_run)
    except VersionError:
        if dry_run:
            raise
        number = context.connect.terminate_owner(context.options)
    if dry_run:
        context.write(f"ask process {number} to stop at the next safe point")
        return 0
    context.say(f"process {number} was asked to stop")
    return 0


def _ask(context: Context, *, dry_run: bool) -> int:
    with context.reader() as engine:
        status = engine.system.status()
        if not status.owner_pid:
            raise OwnerError(f"no engine runs in {status.home}", hint="nebula status")
        engine.system.stop(context.call(dry_run=dry_run))
    return status.owner_pid
