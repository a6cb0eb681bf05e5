"""Run as a program: `nebula` with its event loop watched. Argument: a file; the rest is the line behind `nebula`.

SIGUSR1 writes to the file, as JSON, how long one callback has held the loop at most since the last time: seconds by the clock,
and of CPU of the thread, which a busy machine does not lengthen.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any


class Watch:
    """The longest callback so far."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._longest = self._busiest = 0.0

    def start(self) -> None:
        """From now on."""
        run = asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            began, used = time.perf_counter(), time.thread_time()
            run(handle)
            self._longest = max(self._longest, time.perf_counter() - began)
            self._busiest = max(self._busiest, time.thread_time() - used)

        asyncio.events.Handle._run = timed  # type: ignore[assignment,method-assign]
        signal.signal(signal.SIGUSR1, lambda *_: self._tell())

    def _tell(self) -> None:
        made = self._report.with_suffix(".new")
        made.write_text(json.dumps({"longest": self._longest, "busiest": self._busiest}))
        made.rename(self._report)
        self._longest = self._busiest = 0.0


def main() -> None:
    """Be `nebula`."""
    from benchkit import cluster_source  # noqa: F401 - finds nebula
    from nebula.cli.entry import main as nebula

    watch = Watch(Path(sys.argv[1]))
    watch.start()
    sys.argv[1:2] = []
    sys.exit(nebula())


if __name__ == "__main__":
    main()
