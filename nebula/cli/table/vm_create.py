"""nebula vm create: the one command with many options."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SET

CONTEXT = (
    Option(
        "--ssh-key",
        "Public keys that may log in: a file of them, or a key itself; may be repeated.",
        "many",
        metavar="FILE|KEY",
        complete="file",
    ),
    Option("--user-data", "cloud-init's user data.", metavar="FILE", complete="file"),
    Option("--start-script", "A script that runs at the guest's first boot.", metavar="FILE", complete="file"),
    Option("--context", "A value for the guest on its context CD; may be repeated.", "many", metavar="KEY=VALUE"),
)
"""What a guest is told."""
CREATE = Command(
    "create",
    "Create a VM (or several).",
    "nebula vm create web --image debian-12 --memory 2G --cpus 2 --network lan --ssh-key ~/.ssh/id_ed25519.pub",
    "verbs.vm_create:create",
    (Argument("name", "The VM's name; with --count: its beginning.", optional=True),),
    (
        Option(
            "--file",
            "A template as OpenNebula writes it, or in YAML, JSON or XML (- is stdin); options win over it.",
            short="-f",
            metavar="FILE",
            complete="file",
        ),
        Option("--image", "The image of the first disk.", metavar="IMAGE", complete="image"),
        Option("--memory", "Memory; a bare number is in MiB.", short="-m", metavar="SIZE"),
        Option("--cpus", "Virtual CPUs.", "integer", metavar="N"),
        Option("--cpu", "Cores to reserve, like 0.5; without it as many as --cpus.", metavar="CORES"),
        Option(
            "--network",
            "A network, or network:ip=10.0.0.9,model=virtio; may be repeated.",
            "many",
            metavar="NET[:KEY=VALUE,…]",
            complete="network",
        ),
        Option(
            "--disk",
            "A further disk: 10G, size=10G,format=raw or image=NAME; may be repeated.",
            "many",
            metavar="SIZE|KEY=VALUE,…",
        ),
        Option("--machine", "The machine: q35, pc or one of the host's.", metavar="TYPE"),
        Option("--uefi", "Boot with UEFI instead of BIOS.", "flag"),
        Option("--secure-boot", "Boot with UEFI what Microsoft's keys signed.", "flag"),
        Option("--boot", "What is booted, in this order.", metavar="disk0,nic0"),
        Option("--cpu-model", "host-passthrough, host-model, or a model of libvirt's.", metavar="MODEL"),
        Option("--graphics", "The screen: vnc, spice or none.", metavar="TYPE"),
        Option("--tpm", "Give it a TPM 2.0, which swtpm on the host emulates.", "flag"),
        Option("--pci", "A PCI device of the host; may be repeated.", "many", metavar="VENDOR:DEVICE|ADDRESS"),
        Option("--size", "Size of the first disk, if larger than the image.", metavar="SIZE"),
        *CONTEXT,
        Option("--hold", "Do not place it yet.", "flag"),
        Option("--host", "Place it on this host.", metavar="HOST", complete="host"),
        Option("--requirements", "A condition that its host must meet (SCHED_REQUIREMENTS).", metavar="EXPR"),
        Option("--group", "The role that it has in a VM group.", metavar="GROUP:ROLE", complete="vmgroup"),
        Option("--autostart", "Start it again after its host lost power.", "flag"),
        SET,
        Option(
            "--count",
            "Create so many: NAME-0, NAME-1 …, or with %i in NAME where the number goes.",
            "integer",
            short="-n",
            metavar="N",
        ),
    ),
    changes=True,
    key="n",
)
