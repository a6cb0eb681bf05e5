"""nebula host add, scan and key: a host's key is compared by a person or by its fingerprint before it is pinned."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli.changes import make
from nebula.cli.output.formats import Field, Table
from nebula.cli.verbs.common import print_rows
from nebula.cli.verbs.host import settings
from nebula.errors import HostKeyError, InterruptedByUser, UnreachableError, UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call, HostKeyOffer
    from nebula.engine.api.verbs import Engine

_BEST_FIRST = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_LOCAL = "local"


def add(context: Context, line: Invocation) -> int:
    """Add a host, this machine without --address."""
    name = check_name("host", line.text("name"))
    spec: dict[str, Any] = {"name": name, "address": "", **settings(line)}
    if line.text("driver"):
        spec["driver"] = line.text("driver")
    if not spec["address"] and name != _LOCAL and spec.get("driver") != "sim":
        context.say(f"without --address this machine itself becomes host {name}")

    def act(engine: Engine, _: str, call: Call) -> Accepted:
        if spec["address"] and spec.get("driver") != "sim":
            spec["host_keys"] = [_pinned(context, line, engine, spec)]
        return engine.hosts.add(spec, call)

    return make(context, line, [name], act, done="added")


def scan(context: Context, line: Invocation) -> int:
    """Print the keys that a machine shows."""
    with context.reader() as engine:
        offers = engine.hosts.scan(line.text("address"), _port(line))
    rows = [[offer.type, offer.fingerprint] for offer in _sorted(offers)]
    print_rows(context, Table([Field("type", "TYPE"), Field("fingerprint", "FINGERPRINT")], rows), "", empty="it showed no key")
    return 0


def key(context: Context, line: Invocation) -> int:  # noqa: ARG001 - every handler has this shape
    """Print the engine's public key."""
    with context.reader() as engine:
        context.write(engine.hosts.engine_key())
    return 0


def _pinned(context: Context, line: Invocation, engine: Engine, spec: dict[str, Any]) -> str:
    """The line of the host key that was agreed on; with --ask-password our own key is brought there by it."""
    address, port = spec["address"], _port(line)
    offer = chosen(context, line, engine.hosts.scan(address, port), address, port, again=again(line))
    if line.flag("ask_password") and not line.flag("dry_run"):
        put_key(context, engine, spec["address"], _port(line), line.text("user") or "root", offer.line)
    return offer.line


def put_key(context: Context, engine: Engine, address: str, port: int, user: str, host_key: str) -> None:
    """Have the engine put its key there by a password, which is asked for now and kept nowhere."""
    engine.hosts.put_key(address, port, user, ask_password(context, user, address), host_key)


def ask_password(context: Context, user: str, address: str) -> str:
    """The account's password, which is kept nowhere."""
    import getpass

    return getpass.getpass(f"password of {user} on {address}: ", stream=context.err)


def chosen(
    context: Context, line: Invocation, offers: Sequence[HostKeyOffer], address: str, port: int, *, again: str
) -> HostKeyOffer:
    """The key to pin: that of --fingerprint, or the best one if a person says so. `again`: the command to type again."""
    if not offers:
        raise UnreachableError(f"{address} shows no host key", hint=f"ssh-keyscan -p {port} {address}")
    best, wanted = _sorted(offers)[0], line.text("fingerprint")
    if wanted:
        found = [offer for offer in offers if _bare(offer.fingerprint) == _bare(wanted)]
        if not found:
            shown = ", ".join(offer.fingerprint for offer in offers)
            raise HostKeyError(
                f"{address} has no key {wanted}",
                cause=f"it shows {shown}",
                hint=f"nebula host scan {address}{_typed_port(port)}",
            )
        return found[0]
    if line.flag("accept_new_key"):
        context.say(f"{address}: pinned {best.type} {best.fingerprint}, which nobody compared")
        return best
    _ask(context, address, best, again)
    return best


def _ask(context: Context, address: str, offer: HostKeyOffer, command: str) -> None:
    if not (sys.stdin.isatty() and context.err.isatty()):
        raise UsageError(
            f"nobody is here to compare the key of {address}",
            cause=f"it shows {offer.type} {offer.fingerprint}",
            hint=f"{command} --fingerprint {offer.fingerprint}",
        )
    print(f"{address} shows this key:\n  {offer.type} {offer.fingerprint}", file=context.err)
    print("Is it the right one? Type yes, or the fingerprint: ", end="", file=context.err, flush=True)
    answer = sys.stdin.readline().strip()
    if answer.lower() != "yes" and _bare(answer) != _bare(offer.fingerprint):
        raise InterruptedByUser("the key was not accepted; nothing was changed")


def _sorted(offers: Sequence[HostKeyOffer]) -> list[HostKeyOffer]:
    ranks = {name: index for index, name in enumerate(_BEST_FIRST)}
    return sorted(offers, key=lambda offer: ranks.get(offer.type, len(ranks)))


def _bare(fingerprint: str) -> str:
    return fingerprint.removeprefix("SHA256:").rstrip("=")


def again(line: Invocation) -> str:
    """`host add` as it has to be typed again: with login and port."""
    return f"nebula host add {line.text('name')} --address {line.text('address')}{_typed(line)}"


def _typed(line: Invocation) -> str:
    user = f" --user {line.text('user')}" if line.text("user") else ""
    asked = " --ask-password" if line.flag("ask_password") else ""
    return f"{user}{_typed_port(_port(line))}{asked}"


def _typed_port(port: int) -> str:
    """The port as it has to be typed again; nothing for sshd's own."""
    return f" --port {port}" if port != 22 else ""


def _port(line: Invocation) -> int:
    return line.number("port", least=1, most=65535) if line.has("port") else 22
