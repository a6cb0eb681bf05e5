"""Columns of every list, declared once: name, header, where the value comes from, how it is shown, what it costs."""

from __future__ import annotations

from typing import Literal, NamedTuple

Show = Literal[
    "text", "number", "state", "host_state", "image_state", "cpu", "mib", "bytes", "age", "time", "percent", "bool", "problem",
    "json",
    "mode",
]  # fmt: skip


class Column(NamedTuple):
    """`sql` is the expression (from the code, never from people). `show` says how a front shows the stored value:
    cpu (hundredths of a core), mib, bytes, age/time (seconds since the epoch), state (two codes packed: state*1000+lcm),
    problem (an error as JSON), json (whatever is stored so), mode (three octal digits).
    `default`: part of the default set; `wide`: of `-f wide`. `join`: what it costs, that is the
    source's join that it needs; "" for none.
    """

    name: str
    header: str
    sql: str
    show: Show = "text"
    default: bool = False
    wide: bool = False
    join: str = ""
    parts: tuple[str, ...] = ()
    """For a packed value: what an index finds it by."""


class Source(NamedTuple):
    """What is listed: the table, its columns, and the other tables by name, each read only where a column needs it."""

    noun: str
    table: str
    columns: tuple[Column, ...]
    joins: tuple[tuple[str, str], ...] = ()
    hidden: str = ""
    """A condition that leaves rows out unless asked for (VMs in DONE)."""
    as_of: str = ""
    """A query for when the oldest measured data was taken."""
    newest_first: bool = False
    """The order when none is asked for: by id, falling."""


def _c(
    name: str, sql: str, show: Show = "text", *, header: str = "", on: bool = False, wide: bool = False, join: str = ""
) -> Column:
    return Column(name, header or name.upper().replace("_", " "), sql, show, on, on or wide, join)


_OLDEST = 'SELECT MIN("monitored") FROM "host" WHERE "monitored">0 AND "state" IN (2,4)'


def _locks(noun: str) -> tuple[Column, Column]:
    """What nobody may do with it now, and who said so."""
    return _c("lock", f'"{noun}"."locked"', wide=True), _c("locked_by", f'"{noun}"."locked_by"', header="LOCKED BY")


VMS = Source(
    "vm",
    '"vm"',
    (
        _c("id", '"vm"."id"', "number", on=True),
        _c("name", '"vm"."name"', on=True),
        _c("state", '"vm"."state"*1000+"vm"."lcm_state"', "state", on=True)._replace(
            parts=('"vm"."state"', '"vm"."lcm_state"')
        ),
        _c("reason", '"vm"."reason"', wide=True),
        _c("cpu", '"vm"."cpu"', "cpu", on=True),
        _c("vcpus", '"vm"."vcpus"', "number"),
        _c("memory", '"vm"."memory"', "mib", on=True),
        _c("cpu_used", '"vm"."cpu_used"', "cpu", wide=True, header="CPU USED"),
        _c("memory_used", '"vm"."memory_used"', "mib", wide=True, header="MEM USED"),
        _c("disk", '"vm"."disk"', "bytes"),
        _c("host", '"host"."name"', on=True, join="host"),
        _c("cluster", '"cluster"."name"', wide=True, join="cluster"),
        _c("ip", '"vm"."ips"', on=True),
        _c("owner", '"vm"."owner"', wide=True),
        _c("group", '"vm"."group"', wide=True),
        _c("mode", '"vm"."mode"', "mode"),
        *_locks("vm"),
        _c("template", '"template"."name"', join="template"),
        _c("autostart", '"vm"."autostart"', "bool"),
        _c("created", '"vm"."created"', "time"),
        _c("age", '"vm"."created"', "age", on=True),
        _c("since", '"vm"."since"', "age", wide=True),
        _c("job", '"vm"."job_id"', "number"),
        _c("alarm", '"vm"."alarm"', wide=True),
        _c("uuid", '"vm"."uuid"'),
    ),
    joins=(
        ("host", 'LEFT JOIN "host" ON "host"."id"="vm"."host_id"'),
        ("cluster", 'LEFT JOIN "cluster" ON "cluster"."id"="vm"."cluster_id"'),
        ("template", 'LEFT JOIN "template" ON "template"."id"="vm"."template_id"'),
    ),
    hidden='"vm"."state"<>6',
    as_of=_OLDEST,
)
_PROMISED = 'LEFT JOIN "promised" ON "promised"."host_id"="host"."id"'
"""The sums of hosts' VMs, without a look at the VMs."""
HOSTS = Source(
    "host",
    '"host"',
    (
        _c("id", '"host"."id"', "number", on=True),
        _c("name", '"host"."name"', on=True),
        _c("state", '"host"."state"', "host_state", on=True),
        _c("cluster", '"cluster"."name"', on=True, join="cluster"),
        _c("vms", 'COALESCE("promised"."vms",0)', "number", on=True, join="promised"),
        _c("cpu_allocated", 'COALESCE("promised"."cpu",0)', "cpu", on=True, join="promised", header="CPU ALLOC"),
        _c("cpu_max", '"host"."cpu_max"', "cpu", on=True, header="CPU MAX"),
        _c("cpu_used", '"host"."cpu_used"', "cpu", on=True, header="CPU USED"),
        _c("memory_allocated", 'COALESCE("promised"."memory",0)', "mib", on=True, join="promised", header="MEM ALLOC"),
        _c("memory_max", '"host"."memory_max"', "mib", on=True, header="MEM MAX"),
        _c("memory_used", '"host"."memory_used"', "mib", on=True, header="MEM USED"),
        _c("virt", '"host"."virt"', wide=True),
        _c("address", '"host"."address"', wide=True),
        _c("driver", '"host"."driver"', wide=True),
        _c("cpu_total", '"host"."cpu_total"', "cpu"),
        _c("memory_total", '"host"."memory_total"', "mib"),
        _c("monitored", '"host"."monitored"', "age", wide=True),
        _c("error", '"host"."error"', wide=True),
    ),
    joins=(("cluster", 'LEFT JOIN "cluster" ON "cluster"."id"="host"."cluster_id"'), ("promised", _PROMISED)),
    as_of=_OLDEST,
)
CLUSTERS = Source(
    "cluster",
    '"cluster"',
    (
        _c("id", '"cluster"."id"', "number", on=True),
        _c("name", '"cluster"."name"', on=True),
        _c("hosts", '(SELECT COUNT(*) FROM "host" WHERE "host"."cluster_id"="cluster"."id")', "number", on=True),
        _c(
            "vms",
            '(SELECT COALESCE(SUM("promised"."vms"),0) FROM "promised" JOIN "host" ON "host"."id"="promised"."host_id" '
            'WHERE "host"."cluster_id"="cluster"."id")',
            "number",
            on=True,
        ),
    ),
)
DATASTORES = Source(
    "datastore",
    '"datastore"',
    (
        _c("id", '"datastore"."id"', "number", on=True),
        _c("name", '"datastore"."name"', on=True),
        _c("type", '"datastore"."type"', on=True),
        _c("driver", '"datastore"."driver"', on=True),
        _c("cluster", '"cluster"."name"', wide=True, join="cluster"),
        _c("total", '"datastore"."total_mib"', "mib", on=True),
        _c("free", '"datastore"."free_mib"', "mib", on=True),
        _c("images", '(SELECT COUNT(*) FROM "image" WHERE "image"."datastore_id"="datastore"."id")', "number", on=True),
    ),
    joins=(("cluster", 'LEFT JOIN "cluster" ON "cluster"."id"="datastore"."cluster_id"'),),
)
IMAGES = Source(
    "image",
    '"image"',
    (
        _c("id", '"image"."id"', "number", on=True),
        _c("name", '"image"."name"', on=True),
        _c("state", '"image"."state"', "image_state", on=True),
        _c("type", '"image"."type"', on=True),
        _c("format", '"image"."format"', on=True),
        _c("size", '"image"."size"', "bytes", on=True),
        _c("persistent", '"image"."persistent"', "bool", on=True),
        _c("vms", '"image"."running_vms"', "number", on=True),
        _c("datastore", '"datastore"."name"', on=True, join="datastore"),
        _c("owner", '"image"."owner"', wide=True),
        _c("group", '"image"."group"', wide=True),
        _c("mode", '"image"."mode"', "mode"),
        *_locks("image"),
        _c("created", '"image"."created"', "age", wide=True),
        _c("error", '"image"."error"', wide=True),
        _c("uuid", '"image"."uuid"'),
    ),
    joins=(("datastore", 'LEFT JOIN "datastore" ON "datastore"."id"="image"."datastore_id"'),),
)
NETWORKS = Source(
    "network",
    '"network"',
    (
        _c("id", '"network"."id"', "number", on=True),
        _c("name", '"network"."name"', on=True),
        _c("driver", '"network"."driver"', on=True),
        _c("bridge", '"network"."bridge"', on=True),
        _c("leases", '"network"."used_leases"', "number", on=True),
        _c(
            "size", '(SELECT COALESCE(SUM("size"),0) FROM "address_range" WHERE "network_id"="network"."id")', "number", on=True
        ),
        _c("cluster", '"cluster"."name"', wide=True, join="cluster"),
        _c("owner", '"network"."owner"', wide=True),
        _c("group", '"network"."group"', wide=True),
        _c("mode", '"network"."mode"', "mode"),
        *_locks("network"),
    ),
    joins=(("cluster", 'LEFT JOIN "cluster" ON "cluster"."id"="network"."cluster_id"'),),
)
SECURITYGROUPS = Source(
    "securitygroup",
    '"securitygroup"',
    (
        _c("id", '"securitygroup"."id"', "number", on=True),
        _c("name", '"securitygroup"."name"', on=True),
        _c("owner", '"securitygroup"."owner"', on=True),
        _c("group", '"securitygroup"."group"', wide=True),
        _c("mode", '"securitygroup"."mode"', "mode", on=True),
        *_locks("securitygroup"),
    ),
)
TEMPLATES = Source(
    "template",
    '"template"',
    (
        _c("id", '"template"."id"', "number", on=True),
        _c("name", '"template"."name"', on=True),
        _c("owner", '"template"."owner"', on=True),
        _c("group", '"template"."group"', on=True),
        _c("mode", '"template"."mode"', "mode", on=True),
        *_locks("template"),
        _c(
            "vms",
            '(SELECT COUNT(*) FROM "vm" WHERE "vm"."template_id"="template"."id" AND "vm"."state"<>6)',
            "number",
            on=True,
        ),
        _c("created", '"template"."created"', "time", wide=True),
        _c("age", '"template"."created"', "age", on=True),
        _c("changed", '"template"."changed"', "time", wide=True),
    ),
)
BACKUPS = Source(
    "backup",
    '"backup"',
    (
        _c("id", '"backup"."id"', "number", on=True),
        _c("name", '"backup"."name"', on=True, header="VM"),
        _c("vm_id", '"backup"."vm_id"', "number", header="VM ID"),
        _c("datastore", '"datastore"."name"', on=True, join="datastore"),
        _c("kind", '"backup"."kind"', on=True),
        _c("state", '"backup"."state"', on=True),
        _c("size", '"backup"."size"', "bytes", on=True),
        _c("stored", '"backup"."stored"', "bytes", on=True),
        _c("created", '"backup"."created"', "time", on=True),
        _c("age", '"backup"."created"', "age"),
        _c("verified", '"backup"."verified"', "time", on=True),
        _c("owner", '"backup"."owner"', wide=True),
        _c("group", '"backup"."group"', wide=True),
        _c("mode", '"backup"."mode"', "mode"),
        *_locks("backup"),
        _c("snapshot", '"backup"."snapshot"'),
        _c("reason", '"backup"."reason"', wide=True),
    ),
    joins=(("datastore", 'LEFT JOIN "datastore" ON "datastore"."id"="backup"."datastore_id"'),),
)
SCHEDULES = Source(
    "schedule",
    '"schedule"',
    (
        _c("id", '"schedule"."id"', "number", on=True),
        _c("name", '"schedule"."name"', on=True),
        _c("vm", '"vm"."name"', on=True, join="vm"),
        _c("vm_id", '"schedule"."vm_id"', "number", header="VM ID"),
        _c("action", '"schedule"."action"', on=True),
        _c("at", '"schedule"."at"', "time", on=True),
        _c("repeat", '"schedule"."repeat"', on=True),
        _c("done", '"schedule"."done"', "time", on=True),
        _c("runs", '"schedule"."runs"', "number", wide=True),
        _c("message", '"schedule"."message"', on=True),
        _c("actor", '"schedule"."actor"', wide=True),
    ),
    (("vm", 'LEFT JOIN "vm" ON "vm"."id"="schedule"."vm_id"'),),
)
VMGROUPS = Source(
    "vmgroup",
    '"vmgroup"',
    (
        _c("id", '"vmgroup"."id"', "number", on=True),
        _c("name", '"vmgroup"."name"', on=True),
        _c("roles", '"vmgroup"."roles"', on=True),
        _c(
            "vms", '(SELECT COUNT(*) FROM "vmgroup_member" WHERE "vmgroup_member"."group_id"="vmgroup"."id")', "number", on=True
        ),
        _c("owner", '"vmgroup"."owner"', wide=True),
        _c("group", '"vmgroup"."group"', wide=True),
        _c("mode", '"vmgroup"."mode"', "mode"),
        *_locks("vmgroup"),
    ),
)
_JOB_TARGET = (
    'CASE "job"."target_kind" '
    + " ".join(
        f'WHEN \'{kind}\' THEN (SELECT "name" FROM "{kind}" WHERE "{kind}"."id"="job"."target_id")'
        for kind in ("vm", "host", "image", "network", "datastore", "cluster", "backup", "securitygroup")
    )
    + " END"
)
JOBS = Source(
    "job",
    '"job"',
    (
        _c("id", '"job"."id"', "number", on=True),
        _c("kind", '"job"."kind"', on=True),
        _c("target_kind", '"job"."target_kind"', on=True, header="ON"),
        _c("target_id", '"job"."target_id"', "number", on=True, header="OBJECT"),
        _c("name", _JOB_TARGET, on=True),
        _c("state", '"job"."state"', on=True),
        _c("direction", '"job"."direction"', wide=True),
        _c("step", '"job"."step"', "number", on=True),
        _c("done", '"job"."done"', "bytes", wide=True),
        _c("total", '"job"."total"', "bytes", wide=True),
        _c("progress", 'CASE WHEN "job"."total">0 THEN 100.0*"job"."done"/"job"."total" END', "percent"),
        _c("actor", '"job"."actor"', on=True),
        _c("created", '"job"."created"', "age", on=True),
        _c("ended", '"job"."ended"', "age", wide=True),
        _c("error", '"job"."error"', "problem", wide=True),
    ),
    newest_first=True,
)
PLANS = Source(
    "drs",
    '"plan" AS "drs"',
    (
        _c("id", '"drs"."id"', "number", on=True, header="PLAN"),
        _c("cluster", '"cluster"."name"', on=True, join="cluster"),
        _c("state", '"drs"."state"', on=True),
        _c("policy", '"drs"."policy"', on=True),
        _c("mode", '"drs"."mode"', wide=True),
        _c("moves", '"drs"."moves"', "number", on=True),
        _c("helped", '"drs"."helped"', on=True),
        _c("age", '"drs"."created"', "age", on=True),
        _c("created", '"drs"."created"', "time"),
        _c("ended", '"drs"."ended"', "time", wide=True),
        _c("job", '"drs"."job_id"', "number", on=True),
        _c("actor", '"drs"."actor"', wide=True),
    ),
    joins=(("cluster", 'LEFT JOIN "cluster" ON "cluster"."id"="drs"."cluster_id"'),),
    newest_first=True,
)
EVENTS = Source(
    "event",
    '"event"',
    (
        _c("seq", '"event"."id"', "number", on=True),
        _c("at", '"event"."at"', "time", on=True, header="TIME"),
        _c("kind", '"event"."kind"', on=True),
        _c("object_kind", '"event"."object_kind"', on=True, header="ON"),
        _c("object_id", '"event"."object_id"', "number", on=True, header="OBJECT"),
        _c("actor", '"event"."actor"', on=True),
        _c("body", '"event"."body"', "json", on=True, header="DETAIL"),
    ),
    newest_first=True,
)
SOURCES: dict[str, Source] = {
    source.noun: source
    for source in (
        VMS,
        TEMPLATES,
        HOSTS,
        CLUSTERS,
        DATASTORES,
        IMAGES,
        NETWORKS,
        SECURITYGROUPS,
        BACKUPS,
        VMGROUPS,
        SCHEDULES,
        JOBS,
        PLANS,
        EVENTS,
    )
}
TEXTS = frozenset({"text", "json"})
"""What is stored as text, and can be matched as such."""
