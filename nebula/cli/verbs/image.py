"""The commands of `nebula image`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.objects import resolve_one
from nebula.cli.output.formats import Field, Table
from nebula.cli.verbs.common import given, print_rows
from nebula.errors import NotFoundError, UsageError
from nebula.names import check_name, near
from nebula.units import parse_size

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

_SOURCES = ("path", "url", "size", "catalogue")
_CATALOGUE = ("name", "description", "arch", "user", "url")


def catalogue(context: Context, line: Invocation) -> int:
    """Images that can be fetched by name."""
    with context.reader() as engine:
        entries = engine.images.catalogue()
    shown = _CATALOGUE if line.text("format") not in {"", "table"} else _CATALOGUE[:-1]
    if line.text("format") == "name":
        entries = list({entry.name: entry for entry in entries}.values())
    rows = [[getattr(entry, name) for name in shown] for entry in entries]
    table = Table([Field(name, name.upper()) for name in shown], rows)
    print_rows(context, table, line.text("format"), empty="the catalogue is empty")
    return 0


def create(context: Context, line: Invocation) -> int:
    """Create an image from exactly one source."""
    spec = spec_of(line)

    def act(engine: Engine, name: str, call: Call) -> Accepted:
        known = {entry.name for entry in engine.images.catalogue()} if spec.get("catalogue") == name else {name}
        if name not in known:
            meant = near(name, known)
            raise NotFoundError(
                f"the catalogue has no image {name!r}, and neither --path, --url nor --size says what it is made of",
                hint=f"did you mean {' or '.join(meant)}?" if meant else "nebula image catalogue",
            )
        return engine.images.create(spec, call)

    return make(context, line, [spec["name"]], act)


def spec_of(line: Invocation) -> dict[str, Any]:
    """What the engine is asked for; UsageError for two sources."""
    name = check_name("image", line.text("name"))
    sources = given(line, *_SOURCES)
    if len(sources) > 1:
        raise UsageError(
            "an image is made of one thing", cause=" and ".join(f"--{key}" for key in sources), hint="give one of them"
        )
    spec: dict[str, Any] = {"name": name, **(sources or ({} if line.text("source") else {"catalogue": name}))}
    spec |= given(line, "type", "format", "persistent", "datastore", "checksum", "description", "host", "source")
    if "size" in spec:
        spec["size"] = parse_size(str(spec["size"]), unit="M", what="size of an image")
        spec.setdefault("type", "datablock")
    if "path" in spec:
        spec["path"] = str(Path(str(spec["path"])).expanduser().absolute())
    return spec


def clone(context: Context, line: Invocation) -> int:
    """Another image of the same content."""
    name = check_name("image", line.text("name"))

    def act(engine: Engine, _: str, call: Call) -> Accepted:
        ref = resolve_one(engine, "image", line.text("ref")).ref
        return engine.images.clone(ref, name, call, datastore=line.text("datastore"), source=line.text("source"))

    return make(context, line, [name], act)


def persistent(context: Context, line: Invocation) -> int:
    """One VM at a time uses the image itself."""
    return each(context, line, lambda engine, ref, call: engine.images.persistent(ref, True, call), done="is persistent")


def nonpersistent(context: Context, line: Invocation) -> int:
    """Every VM has a copy of its own."""
    return each(context, line, lambda engine, ref, call: engine.images.persistent(ref, False, call), done="is not persistent")


def enable(context: Context, line: Invocation) -> int:
    """VMs are made of it again."""
    return each(context, line, lambda engine, ref, call: engine.images.enable(ref, call), done="is enabled")


def disable(context: Context, line: Invocation) -> int:
    """No VM is made of it."""
    return each(context, line, lambda engine, ref, call: engine.images.disable(ref, call), done="is disabled")


def chtype(context: Context, line: Invocation) -> int:
    """An image of another type."""
    kind = line.text("type")
    return each(context, line, lambda engine, ref, call: engine.images.chtype(ref, kind, call), done=f"is of type {kind} now")
