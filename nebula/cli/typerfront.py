"""The table as a Typer application: help, mistakes, and every line that is not in plain form.

A command is made when it is typed, or when its noun's are listed, so that a line pays for its own command only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from nebula.cli import mistakes, table
from nebula.cli.command import GLOBALS, Argument, Command, Noun, Option, options_of
from nebula.cli.completion.candidates import locate
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.cli.values import globals_from, invocation
from nebula.errors import UsageError

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_DAEMON = Option("--daemon", "Run the engine in the foreground until it is told to stop.", "flag")
_VERSION = Option("--version", "Print the version.", "flag")


def parse(argv: Sequence[str]) -> Invocation | int:
    """The invocation, or the exit status where Typer has said all there is to say (help).

    Raises UsageError for a line that makes no sense.
    """
    try:
        answer = get_command(application()).main(list(argv), prog_name="nebula", standalone_mode=False)
    except typer.TyperException as error:
        raise _mistake(argv, error) from error
    return answer if isinstance(answer, Invocation) else int(answer or 0)


def application() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="nebula", cls=_Root, add_completion=False, context_settings=_SETTINGS, rich_markup_mode=None,
        help="Nebula: virtual machines on KVM hosts, from one file.", epilog="nebula NOUN --help says what it can do.",
    )  # fmt: skip
    app.callback(invoke_without_command=True)(_root_callback())
    return app


class _Nouns(TyperGroup):
    """A group that says in our words what it does not know."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise mistakes.unknown_word("" if isinstance(self, _Root) else str(self.name), args[0])
        return super().resolve_command(ctx, args)


class _Root(_Nouns):
    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002 - Typer's signature
        return [*(noun.name for noun in table.NOUNS), *(command.name for command in table.commands("") if not command.hidden)]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        noun = table.noun_named(cmd_name)
        return _noun(noun) if noun is not None else _command("", cmd_name)


class _Noun(_Nouns):
    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        return [command.name for command in table.commands(str(self.name))]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        return _command(str(self.name), cmd_name)


@cache
def _noun(noun: Noun) -> Any:
    app = typer.Typer(
        name=noun.name, cls=_Noun, help=noun.help, add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS,
    )  # fmt: skip
    app.callback(invoke_without_command=True)(_globals_callback())
    return get_command(app)


@cache
def _command(noun: str, name: str) -> Any:
    """None if there is no such command."""
    command = table.find(noun, name)
    if command is None:
        return None
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(
        command.name,
        help=f"{command.help}\n\nExample:\n\n{command.example}",
        short_help=command.help,
        hidden=command.hidden,
        context_settings=_SETTINGS,
    )(_leaf(command))
    return get_command(app)


def _leaf(command: Command) -> Callable[..., Any]:
    def call(ctx: typer.Context, **words: Any) -> Invocation:
        return invocation(command, words, ctx.obj or GlobalOptions())

    parameters = [_argument(argument) for argument in command.arguments]
    return _declared(call, [*parameters, *(_option(option) for option in options_of(command))])


def _globals_callback() -> Callable[..., Any]:
    def call(ctx: typer.Context, **words: Any) -> int | None:
        ctx.obj = globals_from(words, GLOBALS, ctx.obj or GlobalOptions())
        return None if ctx.invoked_subcommand is not None else _usage(ctx)

    return _declared(call, [_option(option) for option in GLOBALS])


def _root_callback() -> Callable[..., Any]:
    def call(ctx: typer.Context, **words: Any) -> Invocation | None:
        ctx.obj = globals_from(words, GLOBALS, GlobalOptions())
        if ctx.invoked_subcommand is not None:
            return None
        for flag, noun, name in (("daemon", "daemon", "run"), ("version", "", "version")):
            command = table.find(noun, name)
            if words[flag] and command is not None:
                return invocation(command, {}, ctx.obj)
        typer.echo(ctx.get_help())
        return None

    return _declared(call, [_option(option) for option in (_DAEMON, _VERSION, *GLOBALS)])


def _declared(call: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    """The function with the signature that Typer is to read."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in [context, *parameters]}
    return call


def _argument(argument: Argument) -> inspect.Parameter:
    kind: Any = list[str] if argument.many else str
    default: Any = None if argument.optional else inspect.Parameter.empty
    declared = typer.Argument(help=argument.help, metavar=argument.name.upper(), show_default=False)
    return _parameter(argument.name, Annotated[kind, declared], default)


def _option(option: Option) -> inspect.Parameter:
    names = [name for name in (option.name, option.short) if name]
    kind: Any = {"flag": bool, "many": list[str]}.get(option.kind, str)
    default: Any = False if option.kind == "flag" else None
    text = f"{option.help} [{'|'.join(option.choices)}]" if option.choices else option.help
    declared = typer.Option(*names, help=text, metavar=option.metavar or None, show_default=False)
    return _parameter(option.key, Annotated[kind, declared], default)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _usage(ctx: typer.Context) -> int:
    """A noun alone does nothing: say what there is, where it cannot be taken for data."""
    typer.echo(ctx.get_help(), err=True)
    return UsageError.exit_status


def _mistake(argv: Sequence[str], error: typer.TyperException) -> UsageError:
    """Typer's error in our words. Its classes are private; what they carry tells them apart."""
    place = locate(argv)
    path = " ".join(["nebula", *(place.command.path.split() if place.command else [place.noun] if place.noun else [])])
    if hasattr(error, "possibilities"):
        return mistakes.unknown_option(path, place.command, str(getattr(error, "option_name", "")))
    if hasattr(error, "param_type"):
        parameter: Any = getattr(error, "param", None)
        return mistakes.missing(path, place.command, str(getattr(parameter, "name", "") or "an argument"))
    text = error.format_message().replace("\n", " ").rstrip(".")
    return UsageError(f"{path}: {text[:1].lower()}{text[1:]}", hint=f"{path} --help")
