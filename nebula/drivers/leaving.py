"""What drivers leave under a host's root directory when nothing uses them any more: empty directories, and a lock."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.transport.scripts import sh

_TIDY = """
rm -f -- "$1/network.lock"
for place in datastores network work; do
    [ ! -d "$1/$place" ] || find "$1/$place" -xdev -depth -type d -empty -delete
done
rmdir -- "$1"
true
"""


def tidy_root(host: HostHandle) -> None:
    """Take them away. What has something in it stays, and so do other file systems that are mounted there."""
    host.transport.run(sh(_TIDY, host.root), root=True)
