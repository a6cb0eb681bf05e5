"""The commands of `nebula securitygroup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.template import pairs
from nebula.cli.templatefile import one_file
from nebula.cli.verbs.common import assignments
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

Rule = dict[str, str]
_EVERYTHING: Rule = {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}
_PEERS = {"GROUP": "SECURITY_GROUP", "NETWORK": "NETWORK"}


def create(context: Context, line: Invocation) -> int:
    """Create a group."""
    spec: dict[str, Any] = {"name": check_name("securitygroup", line.text("name")), "rules": rules(line)}
    given = _of_file(line)
    if given is not None:
        spec["rules"] += given
    elif not line.texts("outbound"):
        spec["rules"].append(_EVERYTHING)
    return make(context, line, [spec["name"]], lambda engine, _, call: engine.securitygroups.create(spec, call))


def clone(context: Context, line: Invocation) -> int:
    """Another one like it."""
    name = check_name("securitygroup", line.text("name"))
    return each(
        context, line, lambda engine, ref, call: engine.securitygroups.clone(ref, name, call), done=f"cloned as {name}"
    )  # fmt: skip


def update(context: Context, line: Invocation) -> int:
    """Change groups."""
    added, given = rules(line), _of_file(line)
    changes: dict[str, Any] = {}
    if given is not None:
        changes["rules"] = [*given, *added]
    elif added:
        changes["add"] = added
    if line.texts("without"):
        changes["without"] = list(line.texts("without"))
    if line.texts("set"):
        changes["attributes"] = assignments(line.texts("set"))
    if not changes:
        raise UsageError("securitygroup update changes nothing", hint="add --inbound tcp:80, or --without NUMBER")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.securitygroups.update(ref, changes, call)

    return each(context, line, act, done="updated")


def commit(context: Context, line: Invocation) -> int:
    """Tell hosts again."""
    return each(context, line, lambda engine, ref, call: engine.securitygroups.commit(ref, call), done="told to all hosts")


def rules(line: Invocation) -> list[Rule]:
    """What the options say."""
    return [rule_of(word, way) for way in ("inbound", "outbound") for word in line.texts(way)]


def rule_of(word: str, way: str) -> Rule:
    """PROTOCOL[:PORTS or ICMP TYPE][@PEER] as OpenNebula's attributes; the engine says what of it makes no sense."""
    what, at, peer = word.partition("@")
    protocol, colon, detail = what.partition(":")
    rule = {"PROTOCOL": protocol.upper(), "RULE_TYPE": way}
    if colon:
        rule["ICMP_TYPE" if protocol.lower().startswith("icmp") else "RANGE"] = detail
    if at and "=" in peer:
        named = pairs(peer, f"--{way}", _EXAMPLE)
        unknown = set(named) - set(_PEERS)
        if unknown:
            raise UsageError(f"--{way}: {min(unknown).lower()[:40]} is no kind of peer", hint=f"--{way} {_EXAMPLE}")
        rule |= {_PEERS[key]: value for key, value in named.items()}
    elif at:
        rule["IP"] = peer
    if not protocol or (colon and not detail) or (at and not peer):
        raise UsageError(f"--{way}: {word[:60]!r} is no rule", hint=f"--{way} {_EXAMPLE}")
    return rule


_EXAMPLE = "tcp:22,80-90@10.0.0.0/8, or all@group=app"


def _of_file(line: Invocation) -> list[Any] | None:
    found = one_file(line)
    if found is None:
        return None
    given = found.get("RULE", [])
    return [given] if isinstance(given, dict) else list(given)
