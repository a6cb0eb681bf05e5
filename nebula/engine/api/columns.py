"""Columns of every list, declared once: name, header, where the value comes from, how it is shown, what it costs."""

from __future__ import annotations

from typing import Literal, NamedTuple

Show = Literal["text", "number", "state", "host_state", "image_state", "cpu", "mib", "bytes", "age", "time", "percent", "bool"]


class Column(NamedTuple):
    """`sql` is the expression (from the code, never from people). `show` says how a front shows the stored value:
    cpu (hundredths of a core), mib, bytes, age/time (seconds since the epoch), state (two codes packed: state*1000+lcm).
    `default`: part of the default set; `wide`: of `-f wide`. `cost` "join" where another table is read for it.
    """

    name: str
    header: str
    sql: str
    show: Show = "text"
    default: bool = False
    wide: bool = False
    cost: Literal["free", "join"] = "free"


class Source(NamedTuple):
    """What is listed: the table with its joins, its columns, and the order when none is asked for."""

    noun: str
    table: str
    columns: tuple[Column, ...]
    hidden: str = ""
    """A condition that leaves rows out unless asked for (VMs in DONE)."""
    as_of: str = ""
    """A query for when the oldest measured data was taken."""


def _c(
    name: str, sql: str, show: Show = "text", *, header: str = "", on: bool = False, wide: bool = False, join: bool = False
) -> Column:
    return Column(name, header or name.upper().replace("_", " "), sql, show, on, on or wide, "join" if join else "free")


_OLDEST = 'SELECT MIN("monitored") FROM "host" WHERE "monitored">0 AND "state" IN (2,4)'
VMS = Source(
    "vm",
    '"vm" LEFT JOIN "host" ON "host"."id"="vm"."host_id" LEFT JOIN "cluster" ON "cluster"."id"="vm"."cluster_id"',
    (
        _c("id", '"vm"."id"', "number", on=True),
        _c("name", '"vm"."name"', on=True),
        _c("state", '"vm"."state"*1000+"vm"."lcm_state"', "state", on=True),
        _c("reason", '"vm"."reason"', wide=True),
        _c("cpu", '"vm"."cpu"', "cpu", on=True),
        _c("vcpus", '"vm"."vcpus"', "number"),
        _c("memory", '"vm"."memory"', "mib", on=True),
        _c("cpu_used", '"vm"."cpu_used"', "cpu", wide=True, header="CPU USED"),
        _c("memory_used", '"vm"."memory_used"', "mib", wide=True, header="MEM USED"),
        _c("disk", '"vm"."disk"', "bytes"),
        _c("host", '"host"."name"', on=True, join=True),
        _c("cluster", '"cluster"."name"', wide=True, join=True),
        _c("ip", '"vm"."ips"', on=True),
        _c("owner", '"vm"."owner"', wide=True),
        _c("autostart", '"vm"."autostart"', "bool"),
        _c("created", '"vm"."created"', "time"),
        _c("age", '"vm"."created"', "age", on=True),
        _c("since", '"vm"."since"', "age", wide=True),
        _c("job", '"vm"."job_id"', "number"),
        _c("alarm", '"vm"."alarm"', wide=True),
        _c("uuid", '"vm"."uuid"'),
    ),
    hidden='"vm"."state"<>6',
    as_of=_OLDEST,
)
_HOST_VMS = '(SELECT COUNT(*) FROM "vm" WHERE "vm"."host_id"="host"."id" AND "vm"."state"<>6)'
_HOST_CPU = '(SELECT COALESCE(SUM("vm"."cpu"),0) FROM "vm" WHERE "vm"."host_id"="host"."id" AND "vm"."state"<>6)'
_HOST_MEM = '(SELECT COALESCE(SUM("vm"."memory"),0) FROM "vm" WHERE "vm"."host_id"="host"."id" AND "vm"."state"<>6)'
HOSTS = Source(
    "host",
    '"host" LEFT JOIN "cluster" ON "cluster"."id"="host"."cluster_id"',
    (
        _c("id", '"host"."id"', "number", on=True),
        _c("name", '"host"."name"', on=True),
        _c("state", '"host"."state"', "host_state", on=True),
        _c("cluster", '"cluster"."name"', on=True, join=True),
        _c("vms", _HOST_VMS, "number", on=True, join=True),
        _c("cpu_allocated", _HOST_CPU, "cpu", on=True, join=True, header="CPU ALLOC"),
        _c("cpu_max", '"host"."cpu_max"', "cpu", on=True, header="CPU MAX"),
        _c("cpu_used", '"host"."cpu_used"', "cpu", on=True, header="CPU USED"),
        _c("memory_allocated", _HOST_MEM, "mib", on=True, join=True, header="MEM ALLOC"),
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
    as_of=_OLDEST,
)
CLUSTERS = Source(
    "cluster",
    '"cluster"',
    (
        _c("id", '"cluster"."id"', "number", on=True),
        _c("name", '"cluster"."name"', on=True),
        _c("hosts", '(SELECT COUNT(*) FROM "host" WHERE "host"."cluster_id"="cluster"."id")', "number", on=True, join=True),
        _c(
            "vms",
            '(SELECT COUNT(*) FROM "vm" JOIN "host" ON "host"."id"="vm"."host_id" '
            'WHERE "host"."cluster_id"="cluster"."id" AND "vm"."state"<>6)',
            "number",
            on=True,
            join=True,
        ),
    ),
)
DATASTORES = Source(
    "datastore",
    '"datastore" LEFT JOIN "cluster" ON "cluster"."id"="datastore"."cluster_id"',
    (
        _c("id", '"datastore"."id"', "number", on=True),
        _c("name", '"datastore"."name"', on=True),
        _c("type", '"datastore"."type"', on=True),
        _c("driver", '"datastore"."driver"', on=True),
        _c("cluster", '"cluster"."name"', wide=True, join=True),
        _c("total", '"datastore"."total_mib"', "mib", on=True),
        _c("free", '"datastore"."free_mib"', "mib", on=True),
        _c(
            "images",
            '(SELECT COUNT(*) FROM "image" WHERE "image"."datastore_id"="datastore"."id")',
            "number",
            on=True,
            join=True,
        ),
    ),
)
IMAGES = Source(
    "image",
    '"image" LEFT JOIN "datastore" ON "datastore"."id"="image"."datastore_id"',
    (
        _c("id", '"image"."id"', "number", on=True),
        _c("name", '"image"."name"', on=True),
        _c("state", '"image"."state"', "image_state", on=True),
        _c("type", '"image"."type"', on=True),
        _c("format", '"image"."format"', on=True),
        _c("size", '"image"."size"', "bytes", on=True),
        _c("persistent", '"image"."persistent"', "bool", on=True),
        _c("vms", '"image"."running_vms"', "number", on=True),
        _c("datastore", '"datastore"."name"', on=True, join=True),
        _c("owner", '"image"."owner"', wide=True),
        _c("created", '"image"."created"', "age", wide=True),
        _c("error", '"image"."error"', wide=True),
        _c("uuid", '"image"."uuid"'),
    ),
)
NETWORKS = Source(
    "network",
    '"network" LEFT JOIN "cluster" ON "cluster"."id"="network"."cluster_id"',
    (
        _c("id", '"network"."id"', "number", on=True),
        _c("name", '"network"."name"', on=True),
        _c("driver", '"network"."driver"', on=True),
        _c("bridge", '"network"."bridge"', on=True),
        _c("leases", '"network"."used_leases"', "number", on=True),
        _c(
            "size",
            '(SELECT COALESCE(SUM("size"),0) FROM "address_range" WHERE "network_id"="network"."id")',
            "number",
            on=True,
            join=True,
        ),
        _c("cluster", '"cluster"."name"', wide=True, join=True),
        _c("owner", '"network"."owner"', wide=True),
    ),
)
JOBS = Source(
    "job",
    '"job"',
    (
        _c("id", '"job"."id"', "number", on=True),
        _c("kind", '"job"."kind"', on=True),
        _c("target_kind", '"job"."target_kind"', on=True, header="ON"),
        _c("target_id", '"job"."target_id"', "number", on=True, header="OBJECT"),
        _c("state", '"job"."state"', on=True),
        _c("direction", '"job"."direction"', wide=True),
        _c("step", '"job"."step"', "number", on=True),
        _c("done", '"job"."done"', "bytes", wide=True),
        _c("total", '"job"."total"', "bytes", wide=True),
        _c("actor", '"job"."actor"', on=True),
        _c("created", '"job"."created"', "age", on=True),
        _c("ended", '"job"."ended"', "age", wide=True),
    ),
)
SOURCES: dict[str, Source] = {source.noun: source for source in (VMS, HOSTS, CLUSTERS, DATASTORES, IMAGES, NETWORKS, JOBS)}
