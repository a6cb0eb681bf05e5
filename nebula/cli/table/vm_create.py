"""nebula vm create: the one command with many options."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SET

CREATE = Command(
    "create",
    "Create a VM (or several).",
    "nebula vm create web --image debian-12 --memory 2G --cpus 2 --network lan --ssh-key ~/.ssh/id_ed25519.pub",
    "verbs.vm_create:create",
    (Argument("name", "The VM's name; with --count: its beginning.", optional=True),),
    (
        Option("--file", "A template in YAML (- is stdin); options win over it.", short="-f", metavar="FILE", complete="file"),
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
        Option("--disk", "A further disk: size=10G,format=raw or image=NAME; may be repeated.", "many", metavar="KEY=VALUE,…"),
        Option("--size", "Size of the first disk, if larger than the image.", metavar="SIZE"),
        Option("--ssh-key", "A public key that may log in; may be repeated.", "many", metavar="FILE", complete="file"),
        Option("--user-data", "cloud-init's user data.", metavar="FILE", complete="file"),
        Option("--start-script", "A script that runs at the guest's first boot.", metavar="FILE", complete="file"),
        Option("--hold", "Do not place it yet.", "flag"),
        Option("--host", "Place it on this host.", metavar="HOST", complete="host"),
        Option("--requirements", "A condition that its host must meet (SCHED_REQUIREMENTS).", metavar="EXPR"),
        Option("--autostart", "Start it again after its host lost power.", "flag"),
        SET,
        Option("--count", "Create so many: NAME-0, NAME-1 …", "integer", short="-n", metavar="N"),
    ),
    changes=True,
)
