"""The commands of `nebula drs`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import FILTERS, LIST_OPTIONS, SHOW_FORMAT

_CLUSTER = Argument("cluster", "The cluster; without it the only one.", optional=True, complete="cluster")
_PLAN = Argument("plan", "The plan's number.")

COMMANDS = (
    Command(
        "status",
        "Say how balanced clusters are, and what DRS waits for.",
        "nebula drs status",
        "verbs.drs:status",
        (Argument("cluster", "The cluster; without it all.", optional=True, complete="cluster"),),
        (SHOW_FORMAT,),
    ),
    Command(
        "plan",
        "Plan which VMs should move, and store it; nothing moves before it is applied.",
        "nebula drs plan",
        "verbs.drs:plan",
        (_CLUSTER,),
        (Option("--bound", "Say how far it is from a proven optimum (needs highspy).", "flag"), SHOW_FORMAT),
        changes=True,
        key="n",
    ),
    Command("show", "Show a plan and what came of it.", "nebula drs show 3", "verbs.drs:show", (_PLAN,), (SHOW_FORMAT,)),
    Command(
        "apply",
        "Carry a plan out, or some of its moves.",
        "nebula drs apply 3 1 2",
        "verbs.drs:apply",
        (_PLAN, Argument("moves", "Numbers of moves; without them all.", many=True, optional=True, complete="move")),
        changes=True,
        key="A",
        risk="asks",
    ),
    Command("history", "List plans.", "nebula drs history state=done", "listing:run", (FILTERS,), LIST_OPTIONS),
    Command(
        "set",
        "Change how a cluster is balanced.",
        "nebula drs set lab mode=full policy=striping weights.memory=1",
        "verbs.drs:set_policy",
        (
            Argument("cluster", "The cluster.", complete="cluster"),
            Argument("settings", "Settings as NAME=VALUE; nebula drs status shows them all.", many=True),
        ),
        changes=True,
        key="e",
    ),
    Command(
        "forecast",
        "Say what a VM or a host will use in the coming hour, or when a cluster is full.",
        "nebula drs forecast cluster lab",
        "verbs.drs:forecast",
        (
            Argument("kind", "vm, host or cluster.", complete="vm|host|cluster"),
            Argument("object", "Which one, by id or name."),
        ),
        (SHOW_FORMAT,),
    ),
    Command(
        "snapshot",
        "Write what the planner sees to a file, for a replay or a bug report.",
        "nebula drs snapshot lab.json --anonymous",
        "verbs.drs:snapshot",
        (Argument("path", "A file that does not exist yet.", complete="file"), _CLUSTER),
        (Option("--anonymous", "Without names.", "flag"),),
    ),
    Command(
        "replay",
        "Plan for a snapshot from a file, or for all in a directory one after the other, with simulated hosts.",
        "nebula drs replay lab.json",
        "verbs.drs_replay:replay",
        (
            Argument("path", "A file of `drs snapshot`, or a directory of them.", complete="file"),
            Argument("settings", "Settings to try instead of the cluster's own, as NAME=VALUE.", many=True, optional=True),
        ),
        (SHOW_FORMAT,),
    ),
)
