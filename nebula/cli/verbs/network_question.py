"""The one question of a new network, asked on a terminal: how its guests reach others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.errors import InterruptedByUser

if TYPE_CHECKING:
    from nebula.cli.context import Context

_WAYS = (
    ("nat", "behind the address of their host (NAT): works anywhere, and nobody outside reaches them"),
    ("routed", "through their host, at their own addresses: your router must know a way there"),
    ("bridged", "on your own network, by a bridge that the hosts have: they look like any other machine there"),
)


def asked(context: Context, spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the answers add to what is asked for; nothing without a terminal, where the bridge is an island."""
    if not (sys.stdin.isatty() and context.err.isatty()):
        return {}
    context.say(f"How do guests on {spec['name']} reach others?")
    for number, (word, text) in enumerate(_WAYS, 1):
        context.say(f"  {number}  {word}: {text}")
    names = {name: word for number, (word, _) in enumerate(_WAYS, 1) for name in (str(number), word)}
    word = names[_answer(context, "1, 2 or 3", "1", names)]
    if word == "nat":
        return {"nat": True}
    if word == "bridged":
        return {"bridge": _answer(context, "the hosts' bridge", "br0")}
    if spec.get("gateway"):
        return {"routed": True}
    gateway, _, length = _answer(context, "the host's address there, as ADDRESS/PREFIX", "").partition("/")
    return {"routed": True, "gateway": gateway, "prefix_length": length or "24"}


def _answer(context: Context, what: str, default: str, known: Mapping[str, str] | None = None) -> str:
    """What was typed, until it is one of the known; Enter is the default, where there is one."""
    while True:
        print(f"{what}{f' [{default}]' if default else ''}: ", end="", file=context.err, flush=True)
        text = sys.stdin.readline()
        if not text:
            raise InterruptedByUser("nothing more was typed; nothing was changed")
        word = text.strip() or default
        if word and (known is None or word in known):
            return word
