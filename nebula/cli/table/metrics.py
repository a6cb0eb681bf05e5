"""The commands of `nebula metrics`."""

from __future__ import annotations

from nebula.cli.command import Command, Option
from nebula.cli.table.common import LIST_FORMATS

COMMANDS = (
    Command(
        "export",
        "Print what was measured: everything now in OpenMetrics' text format, or the history of one VM or host.",
        "nebula metrics export --vm web --since 7d --step 1h -f csv",
        "verbs.metrics:export",
        (),
        (
            Option("--vm", "The history of this VM.", metavar="VM", complete="vm"),
            Option("--host", "The history of this host.", metavar="HOST", complete="host"),
            Option("--since", "How far back, 1d without it.", metavar="TIME"),
            Option("--step", "5m (kept for 3 days) or 1h (kept for 90).", metavar="STEP", choices=("5m", "1h")),
            Option("--format", "How to print a history.", short="-f", metavar="FORMAT", choices=LIST_FORMATS),
        ),
    ),
)
