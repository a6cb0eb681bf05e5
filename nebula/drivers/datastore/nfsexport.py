"""An export of this machine's kernel NFS server for one datastore: a file of its own, which names the hosts and nobody else.

The form of the file: exports(5), nfs-utils. `no_root_squash`: root makes the files and libvirt gives them to QEMU's user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nebula.drivers.datastore.layout import checked_path
from nebula.errors import CommandError, ConflictError, UsageError
from nebula.transport.base import Transport
from nebula.transport.scripts import sh

EXPORTS = "/etc/exports.d"
OPTIONS = "rw,sync,no_subtree_check,no_root_squash"
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+")
_EXPORT = r"""
file=$1 path=$2
command -v exportfs >/dev/null || { echo "exportfs: not found" >&2; exit 96; }
mkdir -p -- "${file%/*}" && (umask 066; mkdir -p -- "$path") || exit 1
cat >"$file.new" && { cmp -s "$file.new" "$file" && rm -f -- "$file.new" || mv -fT -- "$file.new" "$file"; } || exit 1
[ ! -d /run/systemd/system ] || systemctl -q is-active nfs-server || systemctl enable --now nfs-server >&2 || exit 1
exportfs -ra
"""
_TAKE_BACK = r"""
[ -e "$1" ] || exit 0
rm -f -- "$1" "$1.new"
! command -v exportfs >/dev/null || exportfs -ra
"""


def text(path: str, clients: Sequence[str]) -> str:
    """The line of the export; nothing where there are no hosts yet, as an export without clients is everybody's."""
    for client in clients:
        if not _CLIENT.fullmatch(client):
            raise UsageError(f"{client[:60]!r} is no address to export to", hint="nebula host update HOST --address ADDRESS")
    if not clients:
        return ""
    return f"{checked_path(path)} {' '.join(f'{client}({OPTIONS})' for client in sorted(set(clients)))}\n"


def export(here: Transport, name: str, path: str, clients: Sequence[str], exports: str = "") -> None:
    """The path is exported to the clients and to no others. So already: nothing. ConflictError without a server."""
    argv = sh(_EXPORT, file_of(name, exports), checked_path(path))
    try:
        here.run(argv, stdin=text(path, clients).encode(), root=True)
    except CommandError as error:
        hint = "apt-get install -y nfs-kernel-server" if error.status == 96 else "systemctl status nfs-server"
        raise ConflictError(f"{path} cannot be exported by this machine", cause=error.cause, hint=hint) from error


def take_back(here: Transport, name: str, exports: str = "") -> None:
    """The export is no more; what is in it stays. Not there: nothing."""
    here.run(sh(_TAKE_BACK, file_of(name, exports)), root=True)


def file_of(name: str, exports: str = "") -> str:
    """Where an export of that name is written."""
    return f"{exports or EXPORTS}/nebula-{name}.exports"
