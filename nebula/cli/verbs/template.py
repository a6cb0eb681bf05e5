"""The commands of `nebula template`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nebula.cli.asking import completed, given
from nebula.cli.changes import Tally, each, make
from nebula.cli.editing import edited, keep
from nebula.cli.objects import resolve, resolve_one
from nebula.cli.settling import settle
from nebula.cli.showing import print_details
from nebula.cli.template import typed
from nebula.cli.templatefile import load_templates, one_file, templates
from nebula.errors import NebulaError, UsageError
from nebula.model.template import Template, merged, plain, print_one, print_xml
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call, Detail
    from nebula.engine.api.verbs import Engine

_OTHER_FORMS = {"one": print_one, "xml": print_xml}
HIDDEN = "(hidden)"
MOST = 1000
"""VMs or templates of one command."""


def show(context: Context, line: Invocation) -> int:
    """All of it, or the template alone in OpenNebula's own words."""
    form = _OTHER_FORMS.get(line.text("format"))

    def fetch(engine: Engine, ref: str) -> Detail:
        detail = engine.templates.show(ref)
        if line.flag("secrets"):
            detail.body["template"] = engine.templates.text(ref).body
        return detail

    with context.reader() as engine:
        targets, missing = resolve(engine, "template", line.texts("refs"))
        tally = Tally(context, single=len(targets) + len(missing) == 1)
        found = list(_fetched(targets, missing, tally, lambda ref: fetch(engine, ref)))
    if form is None:
        print_details(context, found, line.text("format"))
        return tally.status()
    if not line.flag("secrets") and any(HIDDEN in form(detail.body["template"]) for detail in found):
        context.say(f"what is secret is printed as {HIDDEN}; --secrets prints it as it is")
    for detail in found:
        context.write(form({"NAME": detail.name, **detail.body["template"]}).rstrip("\n"))
    return tally.status()


def _fetched(targets: Any, missing: Any, tally: Tally, fetch: Any) -> Iterator[Detail]:
    for word, error in missing:
        tally.failed(word, error)
    for target in targets:
        try:
            yield fetch(target.ref)
        except NebulaError as error:
            tally.failed(target.name, error)
        else:
            tally.done += 1


def create(context: Context, line: Invocation) -> int:
    """Store what a file holds and options say."""
    wanted = _named(line)
    return make(context, line, list(wanted), lambda engine, name, call: engine.templates.create(wanted[name], call))


def _named(line: Invocation) -> dict[str, Template]:
    """Name -> template."""
    documents = load_templates(line.text("file")) if line.text("file") else [{}]
    if len(documents) > 1 and line.text("name"):
        raise UsageError(f"the file holds {len(documents)} templates, each with its own name", hint="leave NAME out")
    if len(documents) > MOST:
        raise UsageError(f"the file holds {len(documents)} templates", cause=f"at most {MOST} at once", hint="split the file")
    options = plain(typed(line))
    found: dict[str, Template] = {}
    for document in documents:
        template = merged(document, options, grow=("CONTEXT",))
        name = line.text("name") or str(template.get("NAME", ""))
        if not name:
            raise UsageError("the template has no name yet", hint='nebula template create NAME …, or NAME="…" in the file')
        if name in found:
            raise UsageError(f"two templates in the file are called {name}", hint="give each a NAME of its own")
        found[check_name("template", name)] = {**template, "NAME": name}
        if set(template) <= {"NAME"}:
            raise UsageError(f"template {name} would be empty", hint="add --file FILE, or --memory 2G --image IMAGE")
    return found


def update(context: Context, line: Invocation) -> int:
    """By a file, by options, or in an editor."""
    changes = one_file(line)
    sets = plain(typed(line))
    if changes is None and not sets:
        return _by_editor(context, line)
    append = line.flag("append") or changes is None
    whole = {**(changes or {}), **sets}
    return each(context, line, lambda engine, ref, call: engine.templates.update(ref, whole, call, append), done="updated")


def _by_editor(context: Context, line: Invocation) -> int:
    """Nobody waits for the engine while somebody types."""
    with context.reader() as engine:
        targets = [resolve_one(engine, "template", word) for word in line.texts("refs")]
        texts = {target.ref: engine.templates.text(target.ref) for target in targets}
    changed: dict[str, Template] = {}
    for ref, before in texts.items():
        again = f"nebula template update {ref} -f"
        after = edited(context, print_one(before.body), before.name, lambda text, name: templates(text, name)[0], again)
        if after is not None:
            changed[ref] = after
    if not changed:
        return 0

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        try:
            return engine.templates.update(ref, changed[ref], call, before=texts[ref].body)
        except NebulaError as error:
            kept = keep(print_one(changed[ref]), texts[ref].name)
            error.hint = f"what you typed is in {kept}; nebula template update {ref} -f {kept} puts it in its place"
            raise

    return each(context, line, act, words=list(changed), done="updated")


def clone(context: Context, line: Invocation) -> int:
    """A copy."""
    name = check_name("template", line.text("name"))

    def act(engine: Engine, _: str, call: Call) -> Accepted:
        return engine.templates.clone(resolve_one(engine, "template", line.text("ref")).ref, name, call, line.flag("recursive"))

    return make(context, line, [name], act)


def delete(context: Context, line: Invocation) -> int:
    """For good."""
    images = line.flag("recursive")
    return each(context, line, lambda engine, ref, call: engine.templates.remove(ref, call, images), done="deleted")


def chmod(context: Context, line: Invocation) -> int:
    """Other rights."""
    mode, images = line.text("mode"), line.flag("recursive")
    whose = "with the images of its disks has" if images else "has"
    return each(
        context,
        line,
        lambda engine, ref, call: engine.templates.chmod(ref, mode, call, images),
        done=f"{whose} mode {mode} now",
    )


def instantiate(context: Context, line: Invocation) -> int:
    """VMs of it; unless they are held, until they run."""
    extra = _extra(line)
    wanted = _vm_names(line)
    hold = line.flag("hold")
    with context.reader() as engine:
        ref = resolve_one(engine, "template", line.text("ref")).ref
        asked = engine.templates.show(ref).body["inputs"]
    answers = completed(context, asked, given(line), extra)

    def act(engine: Engine, label: str, call: Call) -> Accepted:
        return engine.templates.instantiate(ref, call, wanted[label], extra, answers, hold, line.flag("persistent"))

    def finish(engine: Engine, accepted: Accepted) -> str:
        return "created, on hold" if hold else settle(context, engine, accepted)

    return make(context, line, list(wanted), act, finish=finish)


def _extra(line: Invocation) -> Template:
    """What is to replace attributes of the template."""
    return merged(one_file(line) or {}, plain(typed(line)), grow=("CONTEXT",))


def _vm_names(line: Invocation) -> dict[str, str]:
    """What is said of each VM -> its name; "" lets the engine name it."""
    count, name = line.number("count", least=1, most=MOST), line.text("name").replace("%idx", "%i")
    if not name:
        return {f"{line.text('ref')} #{number}" if count > 1 else line.text("ref"): "" for number in range(count)}
    if not line.has("count"):
        return {check_name("vm", name): name}
    pattern = name if "%i" in name else f"{name}-%i"
    names = [check_name("vm", pattern.replace("%i", str(number))) for number in range(count)]
    return dict(zip(names, names, strict=True))


def explain(context: Context, line: Invocation) -> int:
    """What would become of it."""
    from nebula.cli.output.prospect import prospect

    extra, inputs = _extra(line), given(line)
    if not line.text("ref") and not line.text("file"):
        raise UsageError("template explain wants a template", hint="nebula template explain NAME, or --file FILE")
    with context.changer() as engine:
        ref = resolve_one(engine, "template", line.text("ref")).ref if line.text("ref") else ""
        detail = engine.templates.explain(ref, context.call(), extra, inputs)
    print_details(context, [detail], line.text("format"), prospect)
    return 1 if detail.body.get("problem") else 0
