"""The commands of `nebula network`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.objects import resolve_one
from nebula.cli.verbs.common import assignments, given, print_rows
from nebula.cli.verbs.vm_reads import plain_table
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

_RENAMED = {"prefix": "prefix_length", "prefix6": "prefix_length6"}
_CHOSEN = frozenset({"nat", "routed", "bridge", "driver", "physical_device", "vlan_id"})
"""What says how guests reach others; without any of it a person is asked."""
_ADDRESSES = frozenset("0123456789abcdefABCDEF.:+-/")


def leases(context: Context, line: Invocation) -> int:
    """Addresses that are taken."""
    with context.reader() as engine:
        listing = engine.networks.leases(resolve_one(engine, "network", line.text("ref")).ref)
    print_rows(context, plain_table(listing), line.text("format"), empty="no leases")
    return 0


def create(context: Context, line: Invocation) -> int:
    """Create a network."""
    spec = spec_of(line)
    if not _CHOSEN.intersection(spec):
        from nebula.cli.verbs.network_question import asked

        spec = {**spec, **asked(context, spec)}
    return make(context, line, [spec["name"]], lambda engine, _, call: engine.networks.create(spec, call))


def spec_of(line: Invocation) -> dict[str, Any]:
    """What the engine is asked for."""
    if line.flag("nat") and line.text("bridge"):
        raise UsageError(
            "--nat makes a bridge of our own, --bridge uses one that is there", hint="give one of --nat and --bridge BRIDGE"
        )
    found = given(
        line, "bridge", "nat", "routed", "cluster", "gateway", "prefix", "gateway6", "prefix6", "mtu", "physical_device",
        "move_addresses", "vlan_id", "automatic_vlan_id", "vlan_tagged_id", "outer_vlan_id", "vxlan_mode", "cvlans",
        "qinq_type", "driver",
    )  # fmt: skip
    spec: dict[str, Any] = {_RENAMED.get(key, key): value for key, value in found.items()}
    spec["name"] = check_name("network", line.text("name"))
    spec["ranges"] = [range_of(word) for word in line.texts("range")]
    if line.flag("dhcp") or line.text("dhcp_address"):
        spec["dhcp"] = line.text("dhcp_address") or "yes"
    if line.texts("security_group"):
        spec["security_groups"] = list(line.texts("security_group"))
    if line.texts("physical_device_on"):
        spec["physical_device_on"] = _devices_on(line)
    if line.texts("dns"):
        spec["dns"] = [address for word in line.texts("dns") for address in word.split(",")]
    return spec


def _devices_on(line: Invocation) -> dict[str, str]:
    """Host -> its device."""
    found: dict[str, str] = {}
    for word in line.texts("physical_device_on"):
        host, separator, device = word.partition("=")
        if not separator or not host:
            raise UsageError(f"{word[:60]!r} names no host's device", hint="write it like --physical-device-on h2=enp3s0")
        found[host] = device
    return found


def range_of(word: str) -> dict[str, str]:
    """The address range that a word describes: addresses, or a number of MACs."""
    if not word or not _ADDRESSES.issuperset(word) or len(word) > 100:
        raise UsageError(
            f"{word[:60]!r} is not a range of addresses", hint="write it like 10.0.0.10-10.0.0.50 or 10.0.0.10+100"
        )
    if word.isdigit():
        return {"SIZE": word}
    if ":" not in word:
        return {"IP": word}
    first, _, size = word.partition("+")
    kind = "MAC" if first.count(":") == 5 and "::" not in first else "IP6"
    return {kind: first, **({"SIZE": size} if size else {})}


def update(context: Context, line: Invocation) -> int:
    """Security groups, devices and attributes."""
    changes: dict[str, Any] = {}
    if line.texts("security_group") or line.flag("no_security_group"):
        changes["security_groups"] = list(line.texts("security_group"))
    if line.texts("security_group") and line.flag("no_security_group"):
        raise UsageError("--no-security-group is for networks that are to have none", hint="leave one of the two out")
    if line.texts("physical_device_on"):
        changes["physical_device_on"] = _devices_on(line)
    if line.texts("set"):
        changes["attributes"] = assignments(line.texts("set"))
    if not changes:
        raise UsageError("network update changes nothing", hint="add --security-group GROUP, or --set KEY=VALUE")
    return each(context, line, lambda engine, ref, call: engine.networks.update(ref, changes, call), done="updated")


def add_range(context: Context, line: Invocation) -> int:
    """Add addresses."""
    spec = range_of(line.text("range"))
    return each(context, line, lambda engine, ref, call: engine.networks.add_range(ref, spec, call), done="has more addresses")


def remove_range(context: Context, line: Invocation) -> int:
    """Take a range away."""
    word = line.text("number")
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise UsageError(f"{word!r} is not the number of a range", hint=f"nebula network show {line.text('ref')}")
    done = f"lost range {word}"
    return each(context, line, lambda engine, ref, call: engine.networks.remove_range(ref, int(word), call), done=done)


def hold(context: Context, line: Invocation) -> int:
    """Give an address to nobody."""
    address = line.text("address")
    return each(context, line, lambda engine, ref, call: engine.networks.hold(ref, address, call), done=f"holds {address}")


def release(context: Context, line: Invocation) -> int:
    """Give a held address free."""
    address = line.text("address")
    return each(
        context, line, lambda engine, ref, call: engine.networks.release(ref, address, call), done=f"released {address}"
    )


def reserve(context: Context, line: Invocation) -> int:
    """Move addresses to a network of their own."""
    name, size, first = check_name("network", line.text("name")), line.number("size", least=1), line.text("first")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.networks.reserve(ref, name, size, call, first=first)

    return each(context, line, act, done="reserved")
