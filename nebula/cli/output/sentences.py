"""vm describe and vm explain: how a VM is, why, what may be typed now; where it could be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    if body.get("host_error") and body["host_error"] not in str(body.get("reason", "")):
        yield f"Its host does not answer: {printable(str(body['host_error']))}"
    yield from _kept(body)
    yield from _waiting(body.get("waiting"))
    yield from _last_job(context, body.get("last_job"))
    advice = _advice(detail)
    if advice:
        yield f"What to do: {advice}"
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
    told = "" if body.get("waiting") else printable(str(body.get("reason") or ""))
    return f"{text}: {told}." if told else f"{text}."


def _kept(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("disks_on"):
        what = "Its disks and its memory are" if body.get("memory_kept") else "Its disks are"
        yield f"{what} kept on {printable(str(body['disks_on']))}."
    if body.get("resched"):
        yield "It is moved to another host as soon as one can take it."
    if lock := body.get("lock"):
        yield f"{printable(str(lock['by'] or 'the engine'))} locked it (level {lock['level']}); nebula vm unlock ends it."


def _waiting(waiting: Mapping[str, Any] | None) -> Iterator[str]:
    if not waiting:
        return
    yield f"It waits: {printable(str(waiting.get('summary', '')))}."
    hosts = waiting.get("hosts") or {}
    for host in sorted(hosts):
        yield f"  {printable(str(host))}: {printable(str(hosts[host]))}"
    yield from mend(waiting.get("mend"))


def explained(context: Context, detail: Detail) -> Iterator[str]:
    """Vm explain: where a VM could be, and why not elsewhere."""
    body, coloured = detail.body, context.colours(context.out)
    state, needs = str(body.get("state", "?")), body.get("needs") or {}
    where = f" on host {printable(str(body['host']))}" if body.get("host") else ""
    why = f" ({printable(str(body['reason']))})" if body.get("reason") else ""
    shown = paint(state, state_colour(state), wanted=coloured)
    yield f"VM {printable(detail.name)} ({detail.id}) is {shown}{where}{why}."
    yield f"It needs {needs.get('cpu', 0):g} cores and {needs.get('memory_mib', 0)} MiB."
    for found in body.get("hosts") or ():
        yield from verdict(found)
    yield from mend(body.get("mend"))


def verdict(found: Mapping[str, Any]) -> Iterator[str]:
    """A host, and whether it can take the VM."""
    host = printable(str(found.get("host")))
    here = "it is here; " if found.get("here") else ""
    if found.get("fits"):
        yield f"  {host}: {here}can take it ({printable(str(found.get('order', '')))})"
        return
    yield f"  {host}: {here}{printable('; '.join(map(str, found.get('why') or ())))}"


def mend(lines: Sequence[Any] | None) -> Iterator[str]:
    """What would make it fit somewhere."""
    if lines:
        yield "What would make it fit:"
        for line in lines:
            yield f"  {printable(str(line))}"


def _advice(detail: Detail) -> str:
    """The next step where somebody has to take one."""
    body, state, ref = detail.body, str(detail.body.get("state", "")), detail.id
    if state == "UNKNOWN" and body.get("host_state") != "MONITORED":
        host = printable(str(body.get("host")))
        return (
            f"look at its host: nebula host describe {host}. When the host answers again, the VM is looked up by itself. "
            f"Only if the host is gone for good: nebula host remove {host} --force puts it on HOLD, and nebula vm release "
            f"{ref} starts it elsewhere, with new disks"
        )
    if state == "UNKNOWN":
        return f"make sure that it runs nowhere, then start it: nebula vm resume {ref}"
    if body.get("waiting"):
        return str(body["waiting"].get("hint", ""))
    if "recover-retry" in body.get("allowed", ()):
        return f"nebula vm log {ref} says how it came; mend that, then: nebula vm recover {ref} --retry"
    return ""


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
    return {"migrate-live": "migrate --live", "cd-change": "cd-insert, cd-eject"}.get(verb, verb)
