"""The commands of `nebula job`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SHOW_FORMAT, listing

_JOBS = Argument("jobs", "Ids of jobs, lists (3,7) or ranges (12..20) of them.", many=True, complete="job")
_FOLLOW = Option("--follow", "Stay until they have ended.", "flag", short="-f")

COMMANDS = (
    listing("job", "nebula job list state=running"),
    Command(
        "show", "Show jobs and why those that failed did.", "nebula job show 12", "verbs.job:show", (_JOBS,), (SHOW_FORMAT,)
    ),
    Command("log", "Print the log of jobs.", "nebula job log 12 -f", "verbs.job:log", (_JOBS,), (_FOLLOW,)),
    Command(
        "wait",
        "Wait until jobs have ended; exits as they did.",
        "nebula job wait 12 13 --timeout 10m",
        "verbs.job:wait",
        (_JOBS,),
        (Option("--timeout", "Give up after so long (exit 7).", metavar="TIME"),),
        terminal=True,
    ),
    Command(
        "cancel",
        "Cancel jobs; what they did is undone.",
        "nebula job cancel 12",
        "verbs.job:cancel",
        (_JOBS,),
        changes=True,
        key="D",
        risk="asks",
    ),
)
