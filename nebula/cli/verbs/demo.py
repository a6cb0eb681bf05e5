"""nebula demo: a home with simulated hosts and VMs, made through the same verbs as a real one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli.settling import settle
from nebula.cli.waiting import Waiter
from nebula.engine.api.values import Accepted, Call, Query
from nebula.errors import ConflictError, NebulaError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView
    from nebula.engine.api.verbs import Engine

_GIB = 1 << 30
_VMS_PER_HOST = 25
_BLOG = {
    "NAME": "blog",
    "MEMORY": "256",
    "DISK": {"IMAGE": "linux"},
    "NIC": {"NETWORK": "lan"},
    "CONTEXT": {"TITLE": "$TITLE", "ADMIN_PASSWORD": "$PASSWORD"},
    "USER_INPUTS": {
        "TITLE": "M|text|What the blog is called",
        "PASSWORD": "M|password|Password of its administrator",
        "PLAN": "O|list|Plan|small,large|small",
    },
    "INPUTS_ORDER": "TITLE,PASSWORD",
}
_ROLES = ("web", "db", "cache", "mail", "build", "git")


def demo(context: Context, line: Invocation) -> int:
    """Make the home; prints its path."""
    vms = line.number("vms", most=5000) if line.has("vms") else 12
    hosts = line.number("hosts", least=1, most=500) if line.has("hosts") else max(4, -(-vms // _VMS_PER_HOST))
    home = context.options.home or str(Path(tempfile.mkdtemp(prefix="nebula-demo-")))
    context.options = context.options._replace(home=home)
    with context.changer() as engine:
        if engine.hosts.list(Query(columns=("id",))).rows:
            raise ConflictError(f"{home} has hosts already", hint="nebula demo without --home makes a new one")
        _build(context, engine, hosts, vms)
    context.write(home)
    context.say(f"try: nebula --home {home} vm list")
    return 0


def _build(context: Context, engine: Engine, hosts: int, vms: int) -> None:
    def call() -> Call:
        return context.call()

    _await(context, engine, (engine.hosts.add({"name": f"host-{n}", "driver": "sim"}, call()) for n in range(1, hosts + 1)))
    _datastores(context, engine)
    ranges = [{"IP": "10.77.0.10", "SIZE": str(max(50, vms + 10))}]
    network = {"name": "lan", "driver": "sim", "gateway": "10.77.0.1", "prefix_length": 16, "ranges": ranges}
    _await(context, engine, [engine.networks.create(network, call())])
    image = {"name": "linux", "type": "os", "size": 2 * _GIB, "datastore": "demo-images"}
    _await(context, engine, [engine.images.create(image, call())])
    _await(context, engine, [engine.templates.create(_BLOG, call())])
    made = [engine.vms.create(_template(number), call()) for number in range(vms)]
    for accepted in made:
        context.say(f"vm {accepted.name}: {settle(context, engine, accepted)}")


def _datastores(context: Context, engine: Engine) -> None:
    """Simulated ones in the place of those that a new home has."""
    for row in engine.datastores.list(Query(columns=("id",))).rows:
        engine.datastores.remove(str(row[0]), context.call())
    for kind in ("system", "image"):
        spec = {"name": f"demo-{kind}s", "type": kind, "driver": "sim"}
        _await(context, engine, [engine.datastores.create(spec, context.call())])


def _template(number: int) -> dict[str, Any]:
    cpus = 1 + number % 2
    return {
        "NAME": f"{_ROLES[number % len(_ROLES)]}-{number // len(_ROLES) + 1}",
        "CPU": "0.5",
        "VCPU": cpus,
        "MEMORY": 512 * cpus,
        "DISK": [{"IMAGE": "linux"}],
        "NIC": [{"NETWORK": "lan"}],
        "CONTEXT": {"NETWORK": "YES"},
    }


def _await(context: Context, engine: Engine, accepted: Iterator[Accepted] | list[Accepted]) -> None:
    answers = list(accepted)
    Waiter(context, engine).wait([answer.job_id for answer in answers if answer.job_id], _must_be_done)
    for answer in answers:
        context.say(f"{answer.kind} {answer.name}: there")


def _must_be_done(view: JobView) -> None:
    if view.state != "done":
        raise NebulaError(
            f"the demo's {view.kind} of {view.target} ended as {view.state}", cause=str(view.error.get("message", ""))
        )
