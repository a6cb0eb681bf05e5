"""NOUN chown, chgrp, chmod, lock and unlock."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nebula.cli.changes import each
from nebula.cli.nouns import part
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.verbs import Belongings, Engine

_LEVELS = ("use", "manage", "admin", "all")


def _of(engine: Engine, line: Invocation) -> Belongings:
    return cast("Belongings", part(engine, line.command.noun))


def chown(context: Context, line: Invocation) -> int:
    """Another owner."""
    owner = line.text("owner")
    return each(
        context,
        line,
        lambda engine, ref, call: _of(engine, line).chown(ref, owner, call),
        done=f"belongs to {owner} now",
    )


def chgrp(context: Context, line: Invocation) -> int:
    """Another group."""
    group = line.text("group")
    return each(
        context,
        line,
        lambda engine, ref, call: _of(engine, line).chgrp(ref, group, call),
        done=f"belongs to group {group} now",
    )


def chmod(context: Context, line: Invocation) -> int:
    """Other rights."""
    mode = line.text("mode")
    return each(context, line, lambda engine, ref, call: _of(engine, line).chmod(ref, mode, call), done=f"has mode {mode} now")


def lock(context: Context, line: Invocation) -> int:
    """Nobody but administrators does what the level says."""
    levels = [level for level in _LEVELS if line.flag(level)] or ["use"]
    if len(levels) > 1:
        raise UsageError("a lock has one level", cause=f"got --{' --'.join(levels)}", hint=f"--{levels[0]} alone")
    level = levels[0]
    return each(context, line, lambda engine, ref, call: _of(engine, line).lock(ref, level, call), done="is locked")


def unlock(context: Context, line: Invocation) -> int:
    """As before the lock."""
    return each(context, line, lambda engine, ref, call: _of(engine, line).unlock(ref, call), done="is not locked")
