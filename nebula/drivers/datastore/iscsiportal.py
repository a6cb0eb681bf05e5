"""An iSCSI portal as a datastore's settings tell of it, and what a host is given to reach it.

The settings have OpenNebula's names; ISCSI_PASSWORD is our own. The password comes to a host through standard input alone, into
a file of root's, for our own commands, and into libvirt's secret; no command line and no text of a script ever holds it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.hostkeys import take_back
from nebula.errors import UsageError
from nebula.model.iscsi import NAME, IscsiSource
from nebula.transport.scripts import sh

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,222}")
_USAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.: -]{0,62}")
_PASSWORD = re.compile(r"[!-~]{1,255}")
_LUN = re.compile(rf"({NAME})/([0-9]{{1,5}})")
_PREPARE = r"""
dir=$1 name=$2 secret=$3 usage=$4
IFS= read -r password
virsh_() { virsh -q -c qemu:///system "$@"; }
umask 077; mkdir -p -- "$dir" || exit 1
if [ -z "$password" ]; then
    known=$(virsh_ secret-list | awk -v usage="$usage" '{ id = $1; sub(/^ *[^ ]+ +/, ""); sub(/ +$/, "")
        if ($0 == "iscsi " usage) print id }')
    [ -n "$known" ] || { echo "libvirt has no secret of use iscsi that is called $usage" >&2; exit 1; }
    password=$(virsh_ secret-get-value "$known" --plain) || exit 1
fi
file="$dir/$name.password"
printf '%s' "$password" >"$file.$$" && mv -T "$file.$$" "$file" || exit 1
[ -z "$usage" ] || exit 0
virsh_ secret-define /dev/stdin >/dev/null <<END || exit 1
<secret ephemeral='no' private='yes'>
<uuid>$secret</uuid><description>$name</description><usage type='iscsi'><target>$name $secret</target></usage>
</secret>
END
printf '%s' "$password" | virsh_ secret-set-value --secret "$secret" --plain --file /dev/stdin >/dev/null
"""


class IscsiPortal(msgspec.Struct, frozen=True, kw_only=True):
    """What reaches the targets: `usage` names a secret that libvirt has on every host already."""

    datastore_id: int
    host: str
    user: str = ""
    usage: str = ""
    password: str = ""

    @property
    def secret(self) -> str:
        """The UUID of libvirt's secret, where we make it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"nebula:iscsi:{self.datastore_id}:{self.user}:{self.host}"))

    def source(self, lun: str) -> IscsiSource:
        """A LUN as QEMU on a host opens it for a guest."""
        target, _, number = canonical_lun(lun).partition("/")
        secret = self.secret if self.user and not self.usage else ""
        return IscsiSource(
            target=target, lun=int(number), host=self.host, user=self.user, secret=secret, usage=self.usage
        )  # fmt: skip

    def options(self, lun: str) -> str:
        """The LUN as qemu-img opens it; the password is the object `lun`."""
        source = self.source(lun)
        name, port = source.portal
        where = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        told = f"driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={where}"
        told += f",file.target={source.target},file.lun={source.lun}"
        return f"{told},file.user={self.user},file.password-secret=lun" if self.user else told

    def password_file(self, host: HostHandle) -> str:
        """The host's file with the password; "" where none is needed."""
        return f"{host.root}/iscsi/{self._name}.password" if self.user else ""

    @property
    def _name(self) -> str:
        return f"nebula-{self.datastore_id:d}"

    def leave(self, host: HostHandle) -> None:
        """The host has none of it any more; a secret that was there before stays."""
        if self.user:
            take_back(host, [self.password_file(host)], "" if self.usage else self.secret, self._name)

    def prepare(self, host: HostHandle) -> None:
        """The host has the password and libvirt's secret; as they are already: written again."""
        if self.user:
            script = sh(_PREPARE, f"{host.root}/iscsi", self._name, self.secret, self.usage)
            host.transport.run(script, stdin=f"{self.password}\n".encode(), root=True)


def portal_of(datastore_id: int, settings: Mapping[str, str]) -> IscsiPortal:
    """The portal that settings tell of; UsageError for what cannot be one."""
    given = {name.upper(): str(value).strip() for name, value in settings.items() if str(value).strip()}
    if "ISCSI_HOST" not in given:
        raise UsageError("a datastore of iSCSI LUNs needs the address of its portal", hint="--iscsi-host 10.0.0.9")
    for name, pattern, words in (
        ("ISCSI_HOST", _HOST, "an address with a port if that is not 3260"),
        ("ISCSI_USER", _USER, "the name of a user (CHAP)"),
        ("ISCSI_USAGE", _USAGE, "the use of a secret of libvirt's"),
        ("ISCSI_PASSWORD", _PASSWORD, "1 to 255 characters of ASCII without spaces"),
    ):
        if name in given and not pattern.fullmatch(given[name]):
            shown = "it" if name == "ISCSI_PASSWORD" else repr(given[name][:60])
            raise UsageError(f"{name} of datastore {datastore_id} makes no sense: {shown} is not {words}")
    _check_login(given)
    return IscsiPortal(
        datastore_id=datastore_id,
        host=given["ISCSI_HOST"],
        user=given.get("ISCSI_USER", ""),
        usage=given.get("ISCSI_USAGE", ""),
        password=given.get("ISCSI_PASSWORD", ""),
    )


def _check_login(given: Mapping[str, str]) -> None:
    has_password = "ISCSI_PASSWORD" in given or "ISCSI_USAGE" in given
    if has_password and "ISCSI_USER" not in given:
        raise UsageError("a password without a user (CHAP) makes no sense", hint="--iscsi-user USER")
    if "ISCSI_USER" in given and not has_password:
        raise UsageError(
            f"user {given['ISCSI_USER']} has no password (CHAP)",
            hint="--iscsi-password-file FILE, or --iscsi-usage NAME for a secret that libvirt has on every host",
        )


def canonical_lun(text: str) -> str:
    """TARGET/LUN with the target's name in small letters, as names of targets are compared; UsageError for what is none."""
    found = _LUN.fullmatch(text.strip())
    if not found or int(found[2]) > 16383:
        raise UsageError(
            f"{text[:80]!r} names no LUN of a target", hint="--source iqn.2026-01.org.example:san/1   (the target, the LUN)"
        )
    return f"{found[1].lower()}/{int(found[2])}"
