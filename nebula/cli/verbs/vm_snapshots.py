"""nebula vm snapshot-VERB and disk-snapshot-VERB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.changes import each, make
from nebula.cli.objects import resolve_one
from nebula.cli.settling import settle
from nebula.cli.verbs.common import print_rows
from nebula.cli.verbs.vm_reads import plain_table
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine


def saveas(context: Context, line: Invocation) -> int:
    """An image of a disk."""
    disk, name, snapshot = line.text("disk"), line.text("name"), line.text("snapshot")
    return each(
        context, line, lambda engine, ref, call: engine.vms.disk_saveas(ref, disk, name, call, snapshot), done="disk saved"
    )  # fmt: skip


def save(context: Context, line: Invocation) -> int:
    """A template of it."""
    name, persistent = line.text("name"), line.flag("persistent")
    return each(
        context, line, lambda engine, ref, call: engine.vms.save(ref, name, call, persistent), done=f"saved as template {name}"
    )


def clone(context: Context, line: Invocation) -> int:
    """Another VM like it; unless it is held, until it runs."""
    hold = line.flag("hold")

    def act(engine: Engine, name: str, call: Call) -> Accepted:
        return engine.vms.clone(resolve_one(engine, "vm", line.text("ref")).ref, name, call, hold)

    def finish(engine: Engine, accepted: Accepted) -> str:
        return "created, on hold" if hold else settle(context, engine, accepted)

    return make(context, line, [check_name("vm", line.text("name"))], act, finish=finish)


def listing(context: Context, line: Invocation) -> int:
    """What is kept."""
    with context.reader() as engine:
        found = engine.vms.snapshots(resolve_one(engine, "vm", line.text("ref")).ref)
    print_rows(context, plain_table(found), line.text("format"), empty="the VM has no snapshots")
    return 0


def create(context: Context, line: Invocation) -> int:
    """A further one."""
    name = line.text("name")
    return each(context, line, lambda engine, ref, call: engine.vms.snapshot_create(ref, name, call), done="snapshot made")


def revert(context: Context, line: Invocation) -> int:
    """Back to one."""
    name = line.text("snapshot")
    return each(context, line, lambda engine, ref, call: engine.vms.snapshot_revert(ref, name, call), done="reverted")


def delete(context: Context, line: Invocation) -> int:
    """One fewer."""
    name = line.text("snapshot")
    return each(context, line, lambda engine, ref, call: engine.vms.snapshot_delete(ref, name, call), done="snapshot deleted")


def rename(context: Context, line: Invocation) -> int:
    """Another name."""
    old, name = line.text("snapshot"), line.text("name")
    return each(context, line, lambda engine, ref, call: engine.vms.snapshot_rename(ref, old, name, call), done="renamed")


def disk_list(context: Context, line: Invocation) -> int:
    """The tree."""
    with context.reader() as engine:
        listing = engine.vms.disk_snapshots(resolve_one(engine, "vm", line.text("ref")).ref, line.text("disk"))
    print_rows(context, plain_table(listing), line.text("format"), empty="the disk has no snapshots")
    return 0


def disk_create(context: Context, line: Invocation) -> int:
    """A further one."""
    disk, name = line.text("disk"), line.text("name")
    return each(
        context, line, lambda engine, ref, call: engine.vms.disk_snapshot_create(ref, disk, name, call), done="snapshot made"
    )  # fmt: skip


def disk_revert(context: Context, line: Invocation) -> int:
    """Back to one."""
    disk, name = line.text("disk"), line.text("snapshot")
    return each(
        context, line, lambda engine, ref, call: engine.vms.disk_snapshot_revert(ref, disk, name, call), done="disk reverted"
    )  # fmt: skip


def disk_delete(context: Context, line: Invocation) -> int:
    """One fewer."""
    disk, name = line.text("disk"), line.text("snapshot")
    return each(
        context, line, lambda engine, ref, call: engine.vms.disk_snapshot_delete(ref, disk, name, call), done="snapshot deleted"
    )  # fmt: skip


def disk_rename(context: Context, line: Invocation) -> int:
    """Another name."""
    disk, old, name = line.text("disk"), line.text("snapshot"), line.text("name")
    return each(
        context, line, lambda engine, ref, call: engine.vms.disk_snapshot_rename(ref, disk, old, name, call), done="renamed"
    )  # fmt: skip
