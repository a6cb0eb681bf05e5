"""nebula apply: compare what documents say with what exists; make it so, kind after kind; say how far it got."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.cli.changes import Tally, job_error
from nebula.cli.colour import paint
from nebula.cli.documents import label_of, read
from nebula.cli.output.text import printable
from nebula.cli.settling import settle
from nebula.cli.waiting import Waiter
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, AttributeChange, Call, Difference, JobView
    from nebula.engine.api.verbs import Engine

    Document = dict[str, Any]

_SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "remove": ("-", "red")}
_DONE = {"create": "created", "update": "changed", "remove": "removed", "": "ready"}
_ROUNDS = 200
"""How often an object is made: what an earlier run left broken is taken away first, then made anew; a VM's cards come and go
one after the other.
"""
_LONGEST = 160
"""Characters of a value in a difference."""


def apply(context: Context, line: Invocation) -> int:
    """Make what exists be as the documents say, or print what that would change."""
    names = line.texts("file")
    if not names:
        raise UsageError("apply wants files", hint="nebula apply -f FILE, or -f DIRECTORY, or -f - for stdin")
    documents = read(names)
    label = line.text("label") or label_of(names)
    prune = line.flag("prune")
    if line.flag("diff"):
        with context.reader() as engine:
            found = engine.declarations.compare(documents, label, prune)
        return _print_differences(context, found)
    with context.changer() as engine:
        found = engine.declarations.compare(documents, label, prune)
        _refuse(found)
        _ask(context, line, [item for item in found if item.action == "remove"], label)
        return _Application(context, engine, documents, label).run(found)


# --- looking


def _print_differences(context: Context, found: Sequence[Difference]) -> int:
    """What would change, attribute by attribute; 1 if something would."""
    differing = [item for item in found if item.action]
    coloured = context.colours(context.out)
    for item in differing:
        sign, colour = _SIGNS[item.action]
        context.write(paint(f"{sign} {item.kind} {printable(item.name)}", colour, wanted=coloured))
        for text in _lines(item, coloured=coloured):
            context.write(text)
    context.say(_counted(found) if differing else "nothing would change")
    return int(bool(differing))


def _lines(item: Difference, *, coloured: bool) -> Iterator[str]:
    for change in item.changes:
        sign = "+" if change.before is None else "-" if change.after is None else "~"
        colour = {"+": "green", "-": "red", "~": "yellow"}[sign]
        yield paint(f"    {sign} {printable(change.path.lower())}: {_values(change)}", colour, wanted=coloured)
    if item.refused:
        yield paint(f"    ! {printable(item.refused)}", "red", wanted=coloured)


def _values(change: AttributeChange) -> str:
    shown = [printable(value[:_LONGEST]) for value in (change.before, change.after) if value is not None]
    return " -> ".join(shown)


def _counted(found: Sequence[Difference]) -> str:
    words = {"create": "to create", "update": "to change", "remove": "to remove", "": "as they should be"}
    counts = {action: sum(item.action == action for item in found) for action in words}
    return ", ".join(f"{count} {words[action]}" for action, count in counts.items() if count)


# --- before anything is done


def _refuse(found: Sequence[Difference]) -> None:
    """One error for all that cannot be made so."""
    refused = [item for item in found if item.refused]
    if not refused:
        return
    first = refused[0]
    more = f" (and {len(refused) - 1} others)" if len(refused) > 1 else ""
    raise ConflictError(
        f"{first.kind} {first.name}: {first.refused}{more}; nothing was changed",
        cause="; ".join(f"{item.kind} {item.name}: {_changed(item)}" for item in refused[:5]),
        hint=f"write it as it is (nebula export {first.kind}), or remove the {first.kind} and apply again",
    )


def _changed(item: Difference) -> str:
    return ", ".join(f"{change.path.lower()} {_values(change)}" for change in item.changes[:5])


def _ask(context: Context, line: Invocation, going: Sequence[Difference], label: str) -> None:
    """A person says yes before anything is removed; in a pipe --yes does."""
    if not going or line.flag("yes"):
        return
    words = ", ".join(f"{item.kind} {item.name}" for item in going)
    if not (sys.stdin.isatty() and context.err.isatty()):
        raise UsageError(
            f"nobody is here to say that {len(going)} objects of set {label} may go", cause=words, hint="add --yes, or --diff"
        )
    print(f"The files of set {label} name these no longer: {printable(words)}", file=context.err)
    print("Remove them? Type yes: ", end="", file=context.err, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise InterruptedByUser("nothing was changed")


# --- doing


class _Application:
    """One run: stage after stage, each a kind; within a stage all at once."""

    def __init__(self, context: Context, engine: Engine, documents: Sequence[Document], label: str) -> None:
        self._context, self._engine, self._label = context, engine, label
        self._documents = {(str(item["kind"]), str(item["name"])): item for item in documents}
        self._tally = Tally(context, single=False)
        self._told = set[str]()

    def run(self, found: Sequence[Difference]) -> int:
        """Carry it out; the exit status."""
        self._check(found)
        stages: dict[tuple[bool, str], list[Difference]] = {}
        for item in found:
            stages.setdefault((item.action == "remove", item.kind), []).append(item)
        for number, ((removes, kind), items) in enumerate(stages.items()):
            self._stage(kind, items, removes=removes)
            if self._tally.statuses:
                left = sum(bool(item.action) for later in list(stages.values())[number + 1 :] for item in later)
                self._context.say(
                    f"stopped at {kind}s: {self._tally.done} done, {len(self._tally.statuses)} failed, {left} not begun; "
                    "the same command goes on from here"
                )
                return self._tally.status()
        same = sum(not item.action for item in found)
        words = [f"{self._tally.done} done" if self._tally.done else "", f"{same} as they should be" if same else ""]
        self._context.say(("" if self._tally.done else "nothing to change: ") + ", ".join(word for word in words if word))
        return 0

    def _check(self, found: Sequence[Difference]) -> None:
        """What the verbs would refuse is refused before anything is done, as far as it can be known."""
        for item in found:
            if item.action == "update":
                self._engine.declarations.make(self._document(item), self._call(dry_run=True))

    def _stage(self, kind: str, items: Sequence[Difference], *, removes: bool) -> None:
        if removes:
            self._carry_out(items)
            return
        left: Sequence[Difference] = items
        for _ in range(_ROUNDS):
            failed = len(self._tally.statuses)
            self._carry_out([item for item in left if item.action or item.job_id])
            if len(self._tally.statuses) > failed or not any(item.action for item in left):
                return
            wanted = [self._document(item) for item in left if item.action]
            again = [item for item in self._engine.declarations.compare(wanted) if item.action and item.kind == kind]
            before = {item.name: item.changes for item in left}
            left = [item for item in again if item.changes != before[item.name]]  # nothing came of the others

    def _carry_out(self, items: Sequence[Difference]) -> None:
        begun: list[tuple[Difference, Accepted]] = []
        for item in items:
            try:
                begun.append((item, self._begin(item)))
            except NebulaError as error:
                self._tally.failed(f"{item.kind} {item.name}", error)
        failed = self._wait(begun)
        for item, accepted in begun:
            if accepted.job_id not in failed:
                self._end(item, accepted)

    def _begin(self, item: Difference) -> Accepted:
        if item.action == "remove":
            return self._engine.declarations.remove(item.kind, str(item.id), self._label, self._context.call())
        return self._engine.declarations.make(self._document(item), self._call())

    def _wait(self, begun: Sequence[tuple[Difference, Accepted]]) -> set[int]:
        """Until their jobs have ended; the jobs that failed."""
        names = {accepted.job_id: f"{item.kind} {item.name}" for item, accepted in begun if accepted.job_id}
        failed: set[int] = set()

        def ended(view: JobView) -> None:
            if view.state != "done":
                failed.add(view.id)
                self._tally.failed(names[view.id], job_error(view))

        Waiter(self._context, self._engine).wait(list(names), ended)
        return failed

    def _end(self, item: Difference, accepted: Accepted) -> None:
        done = _DONE[item.action]
        try:
            if item.kind == "vm" and item.action == "create":
                done = self._settled(item, accepted)
        except NebulaError as error:
            self._tally.failed(f"{item.kind} {item.name}", error)
            return
        told = f"{item.kind} {item.name} ({accepted.id}): {done}"
        if told not in self._told:
            self._told.add(told)
            self._tally.done += bool(item.action)
            self._context.say(told)

    def _settled(self, item: Difference, accepted: Accepted) -> str:
        """What to say of a VM that is new to nebula, and runs where it was made to. One that was adopted stays as it was."""
        document = self._document(item)
        if document.get("ADOPT"):
            return "adopted"
        if str(document.get("SUBMIT_ON_HOLD", "")).upper() in {"YES", "TRUE", "ON", "1"}:
            return _DONE[item.action]
        return settle(self._context, self._engine, accepted)

    def _document(self, item: Difference) -> Document:
        return self._documents[item.kind, item.name]

    def _call(self, *, dry_run: bool = False) -> Call:
        return msgspec.structs.replace(self._context.call(dry_run=dry_run), label=self._label)
