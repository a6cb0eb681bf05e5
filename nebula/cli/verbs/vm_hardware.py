"""nebula vm VERB for the size, disks and cards of VMs that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli import template
from nebula.cli.changes import each
from nebula.cli.verbs.common import assignments
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def resize(context: Context, line: Invocation) -> int:
    """Other CPUs or memory."""
    asked = {"MEMORY": line.text("memory"), "VCPU": line.text("cpus"), "CPU": line.text("cpu")}
    changes = {name: value for name, value in asked.items() if value}
    if not changes:
        raise UsageError("vm resize changes nothing", hint="add --memory SIZE, --cpus N or --cpu CORES")
    enforce = not line.flag("no_enforce")
    return each(
        context, line, lambda engine, ref, call: engine.vms.resize(ref, changes, call, enforce=enforce), done="resized"
    )  # fmt: skip


def disk_attach(context: Context, line: Invocation) -> int:
    """A further disk."""
    disk = template.disk(line.text("what"))
    return each(context, line, lambda engine, ref, call: engine.vms.disk_attach(ref, disk, call), done="disk attached")


def disk_detach(context: Context, line: Invocation) -> int:
    """A disk fewer."""
    disk = line.text("disk")
    return each(context, line, lambda engine, ref, call: engine.vms.disk_detach(ref, disk, call), done="disk detached")


def disk_resize(context: Context, line: Invocation) -> int:
    """A larger disk."""
    disk, size = line.text("disk"), template.mib(line.text("size"))
    return each(context, line, lambda engine, ref, call: engine.vms.disk_resize(ref, disk, size, call), done="disk resized")


def disk_move(context: Context, line: Invocation) -> int:
    """Another datastore."""
    disk, datastore = line.text("disk"), line.text("datastore")
    return each(context, line, lambda engine, ref, call: engine.vms.disk_move(ref, disk, datastore, call), done="disk moved")


def cd_insert(context: Context, line: Invocation) -> int:
    """A CD into the drive."""
    image, disk = line.text("image"), line.text("disk")
    return each(context, line, lambda engine, ref, call: engine.vms.cd_change(ref, image, call, disk=disk), done="CD inserted")


def cd_eject(context: Context, line: Invocation) -> int:
    """Nothing in the drive."""
    disk = line.text("disk")
    return each(context, line, lambda engine, ref, call: engine.vms.cd_change(ref, "", call, disk=disk), done="CD ejected")


def nic_attach(context: Context, line: Invocation) -> int:
    """A further card, or an alias of one."""
    nic = template.card(line.text("network"))
    said = {"PARENT": line.text("alias"), "NAME": line.text("name")}
    nic |= {key: value for key, value in said.items() if value}
    what = "alias" if "PARENT" in nic else "card"
    return each(context, line, lambda engine, ref, call: engine.vms.nic_attach(ref, nic, call), done=f"{what} attached")


def nic_detach(context: Context, line: Invocation) -> int:
    """A card or an alias fewer."""
    nic = line.text("nic")
    return each(context, line, lambda engine, ref, call: engine.vms.nic_detach(ref, nic, call), done=f"{nic} detached")


def pci_attach(context: Context, line: Invocation) -> int:
    """A device of the host more."""
    device = template.device(line.text("device"))
    said = {"NETWORK": line.text("network"), "TYPE": "NIC" if line.text("network") else "", "NAME": line.text("name")}
    device |= {key: value for key, value in said.items() if value}
    return each(context, line, lambda engine, ref, call: engine.vms.pci_attach(ref, device, call), done="device attached")


def pci_detach(context: Context, line: Invocation) -> int:
    """A device fewer."""
    device = line.text("device")
    return each(context, line, lambda engine, ref, call: engine.vms.pci_detach(ref, device, call), done=f"{device} detached")


def nic_update(context: Context, line: Invocation) -> int:
    """Another bandwidth."""
    nic = line.text("nic")
    changes: dict[str, Any] = dict(assignments(line.texts("set")))
    if not changes:
        raise UsageError("vm nic-update changes nothing", hint="add --set INBOUND_AVG_BW=1000")
    return each(context, line, lambda engine, ref, call: engine.vms.nic_update(ref, nic, changes, call), done="card changed")
