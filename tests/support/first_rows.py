"""A terminal for `TEXTUAL_DRIVER` that is nowhere: when the first rows are drawn it tells what was loaded, and ends all."""

from __future__ import annotations

import os
import sys

from textual.drivers.headless_driver import HeadlessDriver


class FirstRows(HeadlessDriver):
    """Waits for how many VMs there are, which a list says with its rows."""

    @property
    def is_headless(self) -> bool:
        """See Driver: no, so that what is drawn is written."""
        return False

    def write(self, data: str) -> None:
        """See Driver."""
        if "0 VMs" in data:
            os.write(1, " ".join(sys.modules).encode())
            os._exit(0)
