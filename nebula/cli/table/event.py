"""The commands of `nebula event`."""

from __future__ import annotations

from nebula.cli.command import Command, Option
from nebula.cli.table.common import FILTERS, LIST_OPTIONS

_LIST_OPTIONS = tuple(option for option in LIST_OPTIONS if option.name != "--limit")
COMMANDS = (
    Command(
        "list",
        "List events, the latest last.",
        "nebula event list object_kind=vm object_id=3,7 -c seq,at,kind,body",
        "verbs.event:list_events",
        (FILTERS,),
        (
            *_LIST_OPTIONS,
            Option("--after", "Only those behind this sequence number.", "integer", metavar="SEQ"),
            Option("--limit", "At most so many, the latest (default 100).", "integer", metavar="N"),
        ),
    ),
    Command(
        "follow",
        "Print events as they come, until Ctrl-C.",
        "nebula event follow -f jsonl",
        "verbs.event:follow",
        (),
        (
            Option("--after", "Begin behind this sequence number instead of now.", "integer", metavar="SEQ"),
            Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=("table", "jsonl")),
        ),
    ),
)
