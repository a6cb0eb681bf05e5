"""Where the suites that drive an engine in this process find it: the tree that this script is part of.

To be imported before `nebula`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from benchkit.errors import BenchError

ROOT = Path(__file__).resolve().parents[2]


def _require() -> None:
    if importlib.util.find_spec("msgspec") is None:
        raise BenchError(
            f"{sys.executable} lacks the libraries that nebula needs",
            hint=f"pip install {ROOT}, or another Python: {ROOT}/.venv",
        )
    if str(ROOT) not in sys.path:
        sys.path.insert(1, str(ROOT))


_require()
