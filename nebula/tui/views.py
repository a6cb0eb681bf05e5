"""The screens, in the order of their keys, and what they list."""

from __future__ import annotations

from typing import NamedTuple


class View(NamedTuple):
    """A screen. `noun`: what it lists; `key`: what jumps there; `also`: other words for it behind a `:`; `short`: its title
    where there is little room.
    """

    name: str
    title: str
    noun: str = ""
    key: str = ""
    also: tuple[str, ...] = ()
    most: int = 0
    """Rows that are kept, the newest; 0: all."""
    measured: bool = False
    """Some columns are measured: they change without an event."""
    of: tuple[str, ...] = ()
    """Kinds of objects whose events change figures here, too."""
    columns: tuple[str, ...] = ()
    """Those that are shown before anybody chooses; () the list's own default."""
    spare: tuple[str, ...] = ()
    """Of those, what gives way where there is too little room for all, the first of them first."""

    short: str = ""

    @property
    def rows(self) -> str:
        """What its rows are called."""
        title = self.title
        return "plans" if self.noun == "drs" else title if title[:2].isupper() else title.lower()

    def counted(self, count: int) -> str:
        """1 VM, 2 hosts."""
        return f"{count} {self.rows.removesuffix('s') if count == 1 else self.rows}"


VIEWS = (
    View("overview", "Overview", key="1", also=("home", "health"), short="Over"),
    View("vm", "VMs", "vm", "2", ("vms", "virtual-machines"), measured=True, spare=("age",)),
    View(
        "host",
        "Hosts",
        "host",
        "3",
        ("hosts", "nodes"),
        measured=True,
        of=("vm",),
        spare=("cluster", "cpu_allocated", "id", "memory_allocated"),
    ),
    View("image", "Images", "image", "4", ("images",), of=("vm",), spare=("format", "type"), short="Imgs"),
    View("datastore", "Datastores", "datastore", "5", ("datastores", "stores", "ds"), of=("image",), short="Data"),
    View("network", "Networks", "network", "6", ("networks", "nets"), of=("vm",), short="Nets"),
    View("template", "Templates", "template", "7", ("templates",), of=("vm",), short="Tmpl"),
    View(
        "job",
        "Jobs",
        "job",
        "8",
        ("jobs", "tasks"),
        most=1000,
        columns=("id", "kind", "name", "state", "progress", "actor", "created", "error"),
        spare=("actor",),
    ),
    View("event", "Events", "event", "9", ("events",), most=2000, spare=("object_id", "seq", "actor"), short="Evts"),
    View("drs", "DRS", "drs", "0", ("balance", "plans")),
    View("log", "Log", key="L", also=("logs",)),
    View("cluster", "Clusters", "cluster", "", ("clusters",), of=("host", "vm")),
    View("vmgroup", "VM groups", "vmgroup", "", ("vmgroups", "groups"), of=("vm",)),
    View("securitygroup", "Security groups", "securitygroup", "", ("securitygroups", "firewall", "secgroups"), of=("vm",)),
    View("backup", "Backups", "backup", "", ("backups",), of=("vm",)),
    View("schedule", "Schedules", "schedule", "", ("schedules",)),
)


def named(word: str) -> View | None:
    """The view of that name, or another word for it."""
    lower = word.lower()
    return next((view for view in VIEWS if lower in {view.name, view.title.lower(), *view.also}), None)
