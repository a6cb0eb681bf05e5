"""What hosts were given to reach a datastore: files of root's and a secret of libvirt's, which go with the datastore."""

from __future__ import annotations

from collections.abc import Sequence

from nebula.drivers.base import HostHandle
from nebula.transport.scripts import sh

_TAKE_BACK = r"""
secret=$1 name=$2
shift 2
rm -f -- "$@" || exit 1
[ -n "$secret" ] && command -v virsh >/dev/null || exit 0
virsh_() { virsh -q -c qemu:///system "$@"; }
known=$(virsh_ secret-list) || exit 1
case $known in *"$secret"*) ;; *) exit 0 ;; esac
virsh_ secret-dumpxml "$secret" | grep -qF "<description>$name</description>" || exit 0
virsh_ secret-undefine "$secret" >/dev/null
"""


def take_back(host: HostHandle, files: Sequence[str], secret: str, name: str) -> None:
    """Delete the files, and the secret (its UUID; "" for none) if `name` describes it, as ours. Not there: nothing."""
    host.transport.run(sh(_TAKE_BACK, secret, name, *files), root=True)
