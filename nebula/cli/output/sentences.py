"""vm describe: how a VM is, why, and what may be typed now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nebula.cli.colour import paint, state_colour
from nebula.cli.output.text import printable
from nebula.units import format_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.engine.api.values import Detail


def sentences(context: Context, detail: Detail) -> Iterator[str]:
    """The lines."""
    body = detail.body
    coloured = context.colours(context.out)
    yield _state(context, detail, coloured=coloured)
    if body.get("alarm"):
        yield f"{paint('Alarm:', 'red', wanted=coloured)} {printable(str(body['alarm']))}"
    if body.get("host_error"):
        yield f"Its host does not answer: {printable(str(body['host_error']))}"
    yield from _waiting(body.get("waiting"))
    yield from _last_job(context, body.get("last_job"))
    verbs = body.get("allowed") or []
    if verbs:
        yield f"What may be typed now: {', '.join(_typed(str(verb)) for verb in verbs)}."


def _state(context: Context, detail: Detail, *, coloured: bool) -> str:
    body = detail.body
    state = str(body.get("state", "?"))
    text = f"VM {printable(detail.name)} ({detail.id}) is {paint(state, state_colour(state), wanted=coloured)}"
    if body.get("host"):
        host_state = body.get("host_state")
        text += f" on host {printable(str(body['host']))}"
        text += f" ({host_state})" if host_state and host_state != "MONITORED" else ""
    if body.get("since"):
        text += f", for {format_duration(context.now() - float(body['since']))}"
    return f"{text}: {printable(str(body['reason']))}." if body.get("reason") else f"{text}."


def _waiting(waiting: Mapping[str, Any] | None) -> Iterator[str]:
    if not waiting:
        return
    yield f"It waits: {printable(str(waiting.get('summary', '')))}."
    hosts = waiting.get("hosts") or {}
    for host in sorted(hosts):
        yield f"  {printable(str(host))}: {printable(str(hosts[host]))}"


def _last_job(context: Context, job: Mapping[str, Any] | None) -> Iterator[str]:
    if not job:
        return
    text = f"Its last job, {job['id']} ({job['kind']})"
    text += f" of {printable(str(job['actor']))}" if job.get("actor") else ""
    ended = job.get("ended")
    ago = f", {format_duration(context.now() - float(ended))} ago" if ended else ""
    yield f"{text}, is {job['state']}{ago}."
    error = job.get("error") or {}
    for key, label in (("message", "What went wrong"), ("cause", "Why"), ("hint", "What to do")):
        if error.get(key):
            yield f"  {label}: {printable(str(error[key]))}"


def _typed(verb: str) -> str:
    """A row of the table as the command line spells it."""
    if verb.startswith("recover-"):
        return f"recover --{verb.removeprefix('recover-')}"
    return "migrate --live" if verb == "migrate-live" else verb
