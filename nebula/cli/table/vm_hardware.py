"""The commands of `nebula vm` that change size, disks and cards."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option, Risk
from nebula.cli.table.common import SET, ref, refs

_DISK = Argument("disk", "Its id, or its name in the guest.")
_NIC = Argument("nic", "Its name, its id, or its MAC address.")
_DRIVE = Option("--disk", "Which drive, where the VM has several.", metavar="DISK")


def _command(
    name: str, text: str, example: str, *arguments: Argument, options: tuple[Option, ...] = (), verb: str = "", risk: Risk = ""
) -> Command:
    handler = f"verbs.vm_hardware:{name.replace('-', '_')}"
    command = Command(name, text, f"nebula vm {example}", handler, (ref("vm"), *arguments), options, verbs=(verb or name,))
    return command._replace(changes=True, risk=risk)


COMMANDS = (
    Command(
        "resize",
        "Give VMs other CPUs or memory; running ones up to VCPU_MAX and MEMORY_MAX.",
        "nebula vm resize web --memory 4G --cpus 2",
        "verbs.vm_hardware:resize",
        (refs("vm"),),
        (
            Option("--memory", "Memory; a bare number is in MiB.", short="-m", metavar="SIZE"),
            Option("--cpus", "Virtual CPUs.", metavar="N"),
            Option("--cpu", "Cores to reserve, like 0.5.", metavar="CORES"),
            Option("--no-enforce", "Also beyond what its host has room for.", "flag"),
        ),
        verbs=("resize",),
        changes=True,
        key="E",
    ),
    _command(
        "disk-attach",
        "Give a VM a further disk, also while it runs.",
        "disk-attach web 10G",
        Argument("what", "10G, size=10G,format=raw or image=NAME."),
    ),
    _command("disk-detach", "Take a disk from a VM; one of its own is deleted.", "disk-detach web vdb", _DISK, risk="destroys"),
    _command(
        "disk-resize",
        "Let a VM's disk grow, also while it runs.",
        "disk-resize web vda 20G",
        _DISK,
        Argument("size", "The new size; a bare number is in MiB."),
    ),
    _command(
        "disk-move",
        "Bring a VM's disk to another datastore, also while it runs.",
        "disk-move web vda fast",
        _DISK,
        Argument("datastore", "Where it goes.", complete="datastore"),
    ),
    _command(
        "cd-insert",
        "Put a CD into a VM's drive.",
        "cd-insert web tools",
        Argument("image", "The CD's image.", complete="image"),
        options=(_DRIVE,),
        verb="cd-change",
    ),
    _command("cd-eject", "Empty a VM's CD drive.", "cd-eject web", options=(_DRIVE,), verb="cd-change"),
    _command(
        "nic-attach",
        "Give a VM a further card, also while it runs.",
        "nic-attach web lan:ip=10.0.0.9",
        Argument("network", "A network, or network:ip=10.0.0.9,model=virtio.", complete="network"),
        options=(
            Option("--alias", "No card: a further address of that card.", metavar="CARD"),
            Option("--name", "What the card or alias is called.", metavar="NAME"),
        ),
    ),
    _command("nic-detach", "Take a card or an alias from a VM.", "nic-detach web 1", _NIC, risk="destroys"),
    _command("nic-update", "Change a card's bandwidth.", "nic-update web 0 --set INBOUND_AVG_BW=1000", _NIC, options=(SET,)),
    _command(
        "pci-attach",
        "Give a VM that is off a further PCI device of its host.",
        "pci-attach web 10de:1db6",
        Argument("device", "Vendor and device like 10de:1db6, and :class, or an address: 3b:00.0."),
        options=(
            Option("--network", "It is a virtual function: a card of that network.", metavar="NETWORK", complete="network"),
            Option("--name", "What the device is called.", metavar="NAME"),
        ),
    ),
    _command(
        "pci-detach",
        "Take a PCI device from a VM that is off.",
        "pci-detach web PCI0",
        Argument("device", "Its name or number, or its address on the host."),
        risk="destroys",
    ),
)
