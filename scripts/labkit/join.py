"""Enter control groups, then become another program: `python3 join.py GROUP/cgroup.procs... -- ARGV...`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Write this process into each group and replace it."""
    split = sys.argv.index("--")
    for path in sys.argv[1:split]:
        Path(path).write_text(str(os.getpid()))
    os.execvp(sys.argv[split + 1], sys.argv[split + 1 :])  # noqa: S606 - argv comes from the lab itself, no shell


if __name__ == "__main__":
    main()
