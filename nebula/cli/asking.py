"""User inputs: asked on a terminal; elsewhere the engine says which are missing, all at once."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula import typed
from nebula.errors import InterruptedByUser, UsageError
from nebula.model.template import UserInput, checked

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation

_LAST = "."
"""A line that ends a text of several."""


def given(line: Invocation) -> dict[str, str]:
    """The answers that were typed or are in the file; what was typed wins."""
    from nebula.cli.templatefile import load
    from nebula.cli.verbs.common import assignments

    found: dict[str, str] = {}
    if line.text("inputs"):
        documents = load(line.text("inputs"))
        if len(documents) != 1 or not all(isinstance(value, str) for value in documents[0].values()):
            raise UsageError(f"{line.text('inputs')} holds no answers", cause="one NAME: value a line", hint='NAME="value"')
        found = {name.upper(): value for name, value in documents[0].items()}
    return found | assignments(line.texts("input"), "--input")


def completed(
    context: Context, asked: Sequence[Mapping[str, Any]], answers: Mapping[str, str], extra: Mapping[str, Any]
) -> dict[str, str]:
    """The answers with those that a person gives now; without a terminal nobody is asked."""
    found = dict(answers)
    if not (sys.stdin.isatty() and context.err.isatty()):
        return found
    for item in (typed.convert(dict(entry), UserInput) for entry in asked):
        if item.name not in found and item.name not in extra and item.type != "fixed":
            answer = _ask(context, item)
            if answer:
                found[item.name] = answer
    return found


def _ask(context: Context, item: UserInput) -> str:
    """Until it fits; "" is the default."""
    while True:
        answer = _read(context, item)
        if not answer and not item.wanting:
            return ""
        try:
            checked(item, answer)
        except UsageError as error:
            context.say(str(error))
        else:
            return answer


def _read(context: Context, item: UserInput) -> str:
    prompt = f"{item.description or item.name} ({item.name}, {item.wanted()}){_default(item)}: "
    try:
        if item.secret:
            return getpass.getpass(prompt, stream=context.err)
        print(prompt, end="", file=context.err, flush=True)
        if item.type == "text64":
            return "\n".join(_lines(context))
        text = sys.stdin.readline()
    except EOFError:
        text = ""
    if not text:
        raise InterruptedByUser("nothing more was typed; nothing was changed")
    return text.rstrip("\n")


def _lines(context: Context) -> Iterator[str]:
    print(f"end with a line of {_LAST}", file=context.err, flush=True)
    for line in sys.stdin:
        if line.rstrip("\n") == _LAST:
            return
        yield line.rstrip("\n")


def _default(item: UserInput) -> str:
    """What Enter means."""
    if item.default:
        return f" [{item.default}]"
    return "" if item.mandatory else " [nothing]"
