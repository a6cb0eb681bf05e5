"""A VM group as people give it, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any

import msgspec

from nebula.engine.scheduler.groups import GroupView, Role
from nebula.errors import UsageError
from nebula.names import check_name, near

Names = Callable[[str], int]
"""From a host's name or id to its id; NotFoundError if there is none."""
POLICIES = ("NONE", "AFFINED", "ANTI_AFFINED")
MOST = 64
"""Roles of a group, and sets of roles of a kind."""


def group_of(name: str, spec: Mapping[str, Any], hosts: Names) -> GroupView:
    """A new group; UsageError for what contradicts itself."""
    return merged(GroupView(id=0, name=name), spec, hosts)


def merged(group: GroupView, changes: Mapping[str, Any], hosts: Names) -> GroupView:
    """The group with changes: `roles` are added or changed, `without` taken away, `affined` and `anti_affined` replaced."""
    unknown = set(changes) - {"roles", "without", "affined", "anti_affined"}
    if unknown:
        raise UsageError(f"a vmgroup has no {min(unknown)[:60]!r}", hint="nebula vmgroup update --help")
    roles = {role.name: role for role in group.roles}
    for name in _listed(changes.get("without")):
        if roles.pop(str(name), None) is None:
            raise UsageError(f"group {group.name} has no role {str(name)[:60]!r}", hint=f"its roles: {', '.join(roles)}")
    for given in _listed(changes.get("roles")):
        role = _role(given, roles, hosts)
        roles[role.name] = role
    found = msgspec.structs.replace(
        group,
        roles=tuple(roles.values()),
        affined=_sets(changes["affined"], roles) if "affined" in changes else _kept(group.affined, roles),
        anti_affined=_sets(changes["anti_affined"], roles) if "anti_affined" in changes else _kept(group.anti_affined, roles),
    )
    _check(found)
    return found


def _listed(value: Any) -> Iterable[Any]:
    return [] if value in (None, "") else value if isinstance(value, (list, tuple)) else [value]


def _role(given: Any, known: Mapping[str, Role], hosts: Names) -> Role:
    if not isinstance(given, Mapping) or set(given) - {"name", "policy", "host_affined", "host_anti_affined"}:
        raise UsageError(
            "a role is a name, a policy, host_affined and host_anti_affined",
            cause=f"got {str(given)[:60]!r}", hint="name: web",
        )  # fmt: skip
    name = check_name("role", str(given.get("name", "")))
    if "," in name or ":" in name:
        raise UsageError(f"a role is called without , and : ({name[:60]!r})", hint="--role NAME, or --role NAME:anti-affined")
    before = known.get(name, Role(name=name))
    policy = str(given.get("policy", before.policy)).upper().replace("-", "_")
    if policy not in POLICIES:
        raise UsageError(f"a role's policy is {', '.join(POLICIES)}, not {policy[:60]!r}", hint=f"--role {name}:anti-affined")
    return Role(
        name=name,
        policy=policy,
        host_affined=_ids(given, "host_affined", before.host_affined, hosts),
        host_anti_affined=_ids(given, "host_anti_affined", before.host_anti_affined, hosts),
    )


def _ids(given: Mapping[str, Any], key: str, before: tuple[int, ...], hosts: Names) -> tuple[int, ...]:
    if key not in given:
        return before
    return tuple(sorted({hosts(str(ref)) for ref in _listed(given[key])}))


def _sets(given: Any, roles: Mapping[str, Role]) -> tuple[tuple[str, ...], ...]:
    found = []
    for names in _listed(given):
        words = sorted({str(name) for name in _listed(names)})
        for word in words:
            if word not in roles:
                raise UsageError(
                    f"the group has no role {word[:60]!r}", hint=f"did you mean {', '.join(near(word, roles) or roles)}?"
                )
        if len(words) < 2:
            raise UsageError(
                "a set of roles has at least two", cause=f"got {', '.join(words) or 'none'}", hint="--affined web,db"
            )
        found.append(tuple(words))
    return tuple(sorted(set(found)))


def _kept(sets: tuple[tuple[str, ...], ...], roles: Mapping[str, Role]) -> tuple[tuple[str, ...], ...]:
    left = [tuple(name for name in names if name in roles) for names in sets]
    return tuple(names for names in left if len(names) > 1)


def _check(group: GroupView) -> None:
    """What no VM could ever keep."""
    if not group.roles:
        raise UsageError(f"group {group.name} has no role", hint="--role NAME, or --role NAME:anti-affined")
    if max(len(group.roles), len(group.affined), len(group.anti_affined)) > MOST:
        raise UsageError(f"a group has at most {MOST} roles, and as many sets of them", hint="make several groups")
    for role in group.roles:
        both = set(role.host_affined) & set(role.host_anti_affined)
        if both:
            raise UsageError(
                f"role {role.name} is bound to a host and keeps off it", cause=f"host {min(both)}",
                hint=f"leave it out of --host-affined {role.name}:… or of --host-anti-affined {role.name}:…",
            )  # fmt: skip
    alone = {role.name for role in group.roles if role.policy == "ANTI_AFFINED"}
    for names in group.affined:
        if alone & set(names):
            raise UsageError(
                f"role {min(alone & set(names))} cannot share a host", cause="its own VMs keep apart (ANTI_AFFINED)",
                hint=f"--role {min(alone & set(names))} without a policy, or leave it out of --affined",
            )  # fmt: skip
        _check_apart(group, names)


def _check_apart(group: GroupView, names: tuple[str, ...]) -> None:
    for pair in combinations(names, 2):
        if any(set(pair) <= set(apart) for apart in group.anti_affined):
            raise UsageError(
                f"roles {' and '.join(pair)} are to share a host and to keep apart",
                hint="leave one of them out of --affined or of --anti-affined",
            )
