"""`python -m nebula`, and the program `nebula`."""

from __future__ import annotations

import sys

from nebula.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
