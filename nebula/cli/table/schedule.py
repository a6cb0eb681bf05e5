"""The commands of `nebula schedule`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import listing, refs, remove, show
from nebula.engine.api.schedules import SCHEDULABLE

_PLAN = (
    Option("--args", "What the action is done with: the host of a migration.", metavar="TEXT"),
    Option("--weekly", "Repeat on these days of the week.", metavar="mon,fri"),
    Option("--monthly", "Repeat on these days of the month.", metavar="1,15"),
    Option("--yearly", "Repeat on these days of the year, from 0.", metavar="0,180"),
    Option("--hourly", "Repeat after so many hours.", metavar="HOURS"),
    Option("--end", "Stop repeating after so many times, or at a time.", metavar="TIMES|TIME"),
)
_TIME = "When: +2h, '2027-01-31 22:00', seconds since the epoch, or now."
COMMANDS = (
    listing("schedule", "nebula schedule list vm=web"),
    show("schedule"),
    Command(
        "create",
        "Have something done to a VM at a time, once or repeatedly.",
        "nebula schedule create web poweroff '22:00' --weekly mon,tue,wed,thu,fri",
        "verbs.schedule:create",
        (
            Argument("ref", "The VM, by id or name.", complete="vm"),
            Argument("action", f"One of: {', '.join(SCHEDULABLE)}."),
            Argument("time", f"{_TIME} 22:00 alone is the next one."),
        ),
        (Option("--name", "What to call it.", metavar="NAME"), *_PLAN),
        changes=True,
        key="n",
    ),
    Command(
        "update",
        "Have it done at another time.",
        "nebula schedule update 3 --time +1d --weekly sat",
        "verbs.schedule:update",
        (refs("schedule"),),
        (Option("--time", _TIME, metavar="TIME"), Option("--once", "Repeat it no more.", "flag"), *_PLAN),
        changes=True,
        key="e",
    ),
    remove("schedule", "Have it done no more."),
)
