"""Kind -> "module:attribute" of the operation, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from nebula.engine.jobs.base import Operation
from nebula.errors import VersionError

_PACKAGE = "nebula.engine.jobs.operations"
OPERATIONS: dict[str, str] = {
    "vm.deploy": "deploy:DEPLOY",
    "vm.start": "power:START",
    "vm.poweroff": "power:POWEROFF",
    "vm.reboot": "power:REBOOT",
    "vm.terminate": "remove:TERMINATE",
    "vm.terminate-off": "remove:TERMINATE_OFF",
    "vm.delete": "remove:DELETE",
    "vm.recreate": "remove:RECREATE",
    "vm.migrate-live": "migrate_live:MIGRATE_LIVE",
    "vm.migrate": "migrate_cold:MIGRATE",
    "vm.migrate-off": "migrate_cold:MIGRATE_OFF",
    "host.setup": "host:SETUP",
    "host.remove": "host:REMOVE",
    "host.evacuate": "evacuate:EVACUATE",
    "image.create": "image:CREATE",
    "image.remove": "image:REMOVE",
    "network.remove": "network:REMOVE",
}

IMPATIENT = frozenset({"host.setup", "image.create"})
"""Jobs that a person waits for and can simply file again: a host or a server that does not answer fails them at once."""


def operation(kind: str) -> Operation:
    """The operation of that kind; VersionError for one that this program does not know."""
    if kind not in OPERATIONS:
        raise VersionError(f"this program knows no job of kind {kind!r}", hint="run the nebula that filed it")
    module, _, attribute = OPERATIONS[kind].partition(":")
    return cast(Operation, getattr(import_module(f"{_PACKAGE}.{module}"), attribute))
