"""The commands of `nebula event`."""

from __future__ import annotations

from nebula.cli.command import Command, Option

COMMANDS = (
    Command(
        "list",
        "List events.",
        "nebula event list --after 100 -f jsonl",
        "verbs.event:list_events",
        (),
        (
            Option("--after", "Only those behind this sequence number.", "integer", metavar="SEQ"),
            Option("--limit", "At most so many, the latest (default 100).", "integer", metavar="N"),
            Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=("table", "json", "jsonl", "yaml")),
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
