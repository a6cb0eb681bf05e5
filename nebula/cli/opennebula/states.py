"""OpenNebula's states of virtual machines, and from which of them each of its actions leads on."""

from __future__ import annotations

from typing import NamedTuple

from nebula.cli.opennebula.rows import Row, done, none
from nebula.engine.lifecycle.table import REFUSED, SUSPENDED, UNKNOWN


class Action(NamedTuple):
    """`verb`: its rows in nebula.engine.lifecycle.table. `sources`: OpenNebula's, by name."""

    name: str
    way: str
    verb: str
    sources: tuple[str, ...]

    @property
    def without(self) -> dict[str, str]:
        """Those of them from which it is not done, and why."""
        found = {place.name: why for (verb, place), why in REFUSED.items() if verb == self.verb}
        return {state: found[state] for state in self.sources if state in found}


_OFF_HOST = ("STOPPED", "UNDEPLOYED")
_WAITING = ("PENDING", "HOLD", "CLONING", "CLONING_FAILURE")
_FAILURES = ("PROLOG_FAILURE", "BOOT_FAILURE", "EPILOG_FAILURE", "PROLOG_MIGRATE_FAILURE", "BOOT_MIGRATE_FAILURE")

ACTIONS: tuple[Action, ...] = (
    Action("hold", "vm hold", "hold", ("PENDING",)),
    Action("release", "vm release", "release", ("HOLD",)),
    Action("deploy", "vm deploy --host", "deploy", ("PENDING", "HOLD", *_OFF_HOST)),
    Action("resume", "vm resume", "resume", (*_OFF_HOST, "SUSPENDED", "POWEROFF", "UNKNOWN")),
    Action("poweroff", "vm poweroff", "poweroff", ("RUNNING", "UNKNOWN")),
    Action("undeploy", "vm undeploy", "undeploy", ("RUNNING", "UNKNOWN", "POWEROFF")),
    Action("suspend", "vm suspend", "suspend", ("RUNNING",)),
    Action("stop", "vm stop", "stop", ("RUNNING", "SUSPENDED")),
    Action("reboot", "vm reboot", "reboot", ("RUNNING",)),
    Action(
        "terminate",
        "vm terminate",
        "terminate",
        ("RUNNING", "UNKNOWN", "SUSPENDED", "POWEROFF", *_OFF_HOST, *_WAITING, *_FAILURES),
    ),
    Action("migrate", "vm migrate", "migrate", ("RUNNING", "POWEROFF", "SUSPENDED", "UNKNOWN")),
    Action("migrate --live", "vm migrate --live", "migrate-live", ("RUNNING",)),
    Action("disk-attach", "vm disk-attach", "disk-attach", ("RUNNING", "POWEROFF")),
    Action("disk-detach", "vm disk-detach", "disk-detach", ("RUNNING", "POWEROFF")),
    Action("nic-attach", "vm nic-attach", "nic-attach", ("RUNNING", "POWEROFF")),
    Action("nic-detach", "vm nic-detach", "nic-detach", ("RUNNING", "POWEROFF")),
    Action("nic-update", "vm nic-update --set", "nic-update", ("RUNNING", "POWEROFF")),
    Action("pci-attach", "vm pci-attach", "pci-attach", ("POWEROFF", "UNDEPLOYED")),
    Action("pci-detach", "vm pci-detach", "pci-detach", ("POWEROFF", "UNDEPLOYED")),
    Action("resize", "vm resize", "resize", (*_WAITING, "UNDEPLOYED", "POWEROFF", "RUNNING")),
    Action("updateconf", "vm update --context", "update-context", ("RUNNING",)),
    Action("snapshot-create", "vm snapshot-create", "snapshot-create", ("RUNNING",)),
    Action("snapshot-revert", "vm snapshot-revert", "snapshot-revert", ("RUNNING",)),
    Action("snapshot-delete", "vm snapshot-delete", "snapshot-delete", ("RUNNING", "POWEROFF")),
    Action(
        "disk-snapshot-create",
        "vm disk-snapshot-create",
        "disk-snapshot-create",
        ("RUNNING", "POWEROFF", "SUSPENDED"),
    ),
    Action(
        "disk-snapshot-delete",
        "vm disk-snapshot-delete",
        "disk-snapshot-delete",
        ("RUNNING", "POWEROFF", "SUSPENDED"),
    ),
    Action("disk-snapshot-revert", "vm disk-snapshot-revert", "disk-snapshot-revert", ("POWEROFF",)),
    Action("disk-resize", "vm disk-resize", "disk-resize", ("RUNNING", "POWEROFF", "UNDEPLOYED")),
    Action("disk-saveas", "vm disk-saveas", "disk-saveas", ("RUNNING", "POWEROFF", "SUSPENDED", *_OFF_HOST)),
    Action("backup", "vm backup", "backup", ("RUNNING", "POWEROFF")),
    Action("restore", "backup restore --in-place", "restore", ("POWEROFF",)),
    Action("resched", "vm resched", "resched", ("RUNNING", "UNKNOWN", "POWEROFF")),
    Action("unresched", "vm unresched", "unresched", ("RUNNING", "UNKNOWN", "POWEROFF")),
)
"""Those that lead from state to state; OpenNebula's own sources."""
OTHERS: tuple[Row, ...] = (
    *done("vm create --hold", "allocate", note="PENDING, HOLD, or CLONING while an image is on its way"),
    *done("template instantiate", "instantiate"),
    *done("vm exec", "exec", note="no state of its own"),
    *done("vm nic-update", "sg-attach", "sg-detach", note="SECURITY_GROUPS of a card"),
)
"""Actions that lead from no state to another, and those that we do not have."""
RECOVERIES: tuple[Row, ...] = (
    *done("vm recover --failure", "failure", note="a job under way is cancelled and undone; after one that is stuck, back"),
    *done("vm recover --success", "success"),
    *done("vm recover --retry", "retry", note="a job that waits for its host is tried now"),
    *done("vm recover --delete", "delete"),
    *done("vm recover --recreate", "delete-recreate"),
    *done("vm recover --delete-db", "delete-db"),
)
SEEN: tuple[Row, ...] = (
    *done("", "RUNNING seen", note="RUNNING, from POWEROFF, SUSPENDED, UNKNOWN and failed boots"),
    *done("", "POWEROFF seen", note="POWEROFF, from RUNNING, UNKNOWN and SUSPENDED; while it is shut down, its job sees it"),
    *done("", "SUSPENDED seen", note="SUSPENDED, from RUNNING, UNKNOWN and POWEROFF"),
    *done("", "FAILURE seen", note="a crashed domain is off, and vm describe says that it crashed"),
    *done("", "missing from a host that answers", note="UNKNOWN: a domain that is gone was not shut down"),
    *done("", "host in ERROR", note="UNKNOWN; nothing is started elsewhere without a person"),
    *none("events tell at once, and a look asks the host itself", "states ignored for 30 s after a start"),
)
"""What a look at a host changes."""
_RETIRED = "retired in OpenNebula, too"
_AT_ONCE = "done in one transaction: no state between"
UNUSED: dict[str, str] = {
    "FAILED": _RETIRED,
    "CANCEL": _RETIRED,
    "FAILURE": _RETIRED,
    "DISK_SNAPSHOT_REVERT_SUSPENDED": _RETIRED,
    "DISK_SNAPSHOT_REVERT": _RETIRED,
    "HOTPLUG_SAVEAS_SUSPENDED": REFUSED["disk-saveas", SUSPENDED],
    "HOTPLUG_SAVEAS_UNDEPLOYED": REFUSED["disk-saveas", SUSPENDED],
    "HOTPLUG_SAVEAS_STOPPED": REFUSED["disk-saveas", SUSPENDED],
    "PROLOG_MIGRATE_SUSPEND": REFUSED["migrate", SUSPENDED],
    "PROLOG_MIGRATE_SUSPEND_FAILURE": REFUSED["migrate", SUSPENDED],
    "PROLOG_MIGRATE_UNKNOWN": REFUSED["migrate", UNKNOWN],
    "PROLOG_MIGRATE_UNKNOWN_FAILURE": REFUSED["migrate", UNKNOWN],
    "DISK_SNAPSHOT_SUSPENDED": REFUSED["disk-snapshot-create", SUSPENDED],
    "DISK_SNAPSHOT_DELETE_SUSPENDED": REFUSED["disk-snapshot-create", SUSPENDED],
    "HOTPLUG_NIC_POWEROFF": _AT_ONCE,
}
"""OpenNebula's states in which no VM ever is here, and why."""
