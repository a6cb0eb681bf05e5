"""The commands of `nebula job`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SHOW_FORMAT, listing

_JOB = Argument("job", "The job's id.", complete="job")
_JOBS = Argument("jobs", "Ids of jobs.", many=True, complete="job")
_FOLLOW = Option("--follow", "Stay until the job has ended.", "flag", short="-f")

COMMANDS = (
    listing("job", "nebula job list state=running"),
    Command("show", "Show a job and, if it failed, why.", "nebula job show 12", "verbs.job:show", (_JOB,), (SHOW_FORMAT,)),
    Command("log", "Print a job's log.", "nebula job log 12 -f", "verbs.job:log", (_JOB,), (_FOLLOW,)),
    Command(
        "wait",
        "Wait until jobs have ended; exits as they did.",
        "nebula job wait 12 13 --timeout 10m",
        "verbs.job:wait",
        (_JOBS,),
        (Option("--timeout", "Give up after so long (exit 7).", metavar="TIME"),),
    ),
    Command(
        "cancel", "Cancel jobs; what they did is undone.", "nebula job cancel 12", "verbs.job:cancel", (_JOBS,), changes=True
    ),
)
