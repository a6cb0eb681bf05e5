"""A Ceph cluster as a datastore's settings tell of it, and what a host is given to reach it.

The settings have OpenNebula's names. A key comes to a host through standard input alone, into a file of root's and into
libvirt's secret; no command line and no text of a script ever holds it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.hostkeys import take_back
from nebula.errors import UsageError
from nebula.model.rbd import RbdSource
from nebula.transport.scripts import sh

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
_PATH = re.compile(r"(/[A-Za-z0-9_@+=-][A-Za-z0-9._@+=-]*)+")
_KEY = re.compile(r"[A-Za-z0-9+/]{20,100}={0,2}")
_LIMITS = """
[client]
rados_mon_op_timeout = {monitor}
rados_osd_op_timeout = {osd}
client_mount_timeout = {monitor}
log_file =
admin_socket =
"""
_PREPARE = r"""
dir=$1 name=$2 user=$3 secret=$4 base=$5 own=$6
IFS= read -r key
umask 077; mkdir -p -- "$dir" || exit 1
ring="$dir/$name.keyring" conf="$dir/$name.conf"
if [ -n "$key" ]; then
    printf '[client.%s]\n\tkey = %s\n' "$user" "$key" >"$ring.$$" && mv -T "$ring.$$" "$ring" || exit 1
fi
{
    [ -z "$base" ] || cat -- "$base" || exit 1
    cat
    [ -z "$key" ] || printf 'keyring = %s\n' "$ring"
} >"$conf.$$" && mv -T "$conf.$$" "$conf" || exit 1
[ "$own" = yes ] || exit 0
if [ -z "$key" ]; then
    for ring in "/etc/ceph/ceph.client.$user.keyring" /etc/ceph/ceph.keyring /etc/ceph/keyring; do
        [ -r "$ring" ] && key=$(ceph-authtool -p -n "client.$user" "$ring") && break
    done
fi
[ -n "$key" ] || { echo "no key of client.$user in the datastore nor below /etc/ceph" >&2; exit 1; }
virsh -q -c qemu:///system secret-define /dev/stdin >/dev/null <<END || exit 1
<secret ephemeral='no' private='yes'>
<uuid>$secret</uuid><description>$name</description><usage type='ceph'><name>$name $secret</name></usage>
</secret>
END
printf '%s' "$key" | virsh -q -c qemu:///system secret-set-value --secret "$secret" --file /dev/stdin >/dev/null
"""


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds after which our own commands give up where a monitor or an OSD does not answer (a guest waits for ever),
    and after which an image that somebody has open counts as in use: Ceph itself forgets a client that was killed after 30.
    """

    monitor: int = 25
    osd: int = 60
    busy: int = 45


class CephCluster(msgspec.Struct, frozen=True, kw_only=True):
    """What reaches the cluster. `conf` is a file of the hosts'; `data_pool` has the data of an erasure coded datastore."""

    datastore_id: int
    pool: str
    user: str
    hosts: tuple[str, ...] = ()
    conf: str = ""
    key: str = ""
    given_secret: str = ""
    data_pool: str = ""
    trash: bool = False
    flatten: bool = False
    """A VM's disk is whole: it does not lie on its image."""
    waits: Waits = Waits()

    @property
    def secret(self) -> str:
        """The UUID of libvirt's secret."""
        own = uuid.uuid5(uuid.NAMESPACE_URL, f"nebula:ceph:{self.datastore_id}:{self.user}:{','.join(self.hosts)}")
        return self.given_secret or str(own)

    def source(self, image: str) -> RbdSource:
        """An image of the pool as QEMU on a host opens it for a guest."""
        return RbdSource(
            pool=self.pool, image=image, user=self.user, secret=self.secret, hosts=self.hosts, conf=self.conf
        )  # fmt: skip

    def file(self, host: HostHandle, kind: str) -> str:
        """The host's file for our own commands: conf or keyring."""
        return f"{host.root}/ceph/{self._name}.{kind}"

    @property
    def _name(self) -> str:
        return f"nebula-{self.datastore_id:d}"

    @property
    def _own_secret(self) -> bool:
        return bool(self.key or not self.given_secret)

    def leave(self, host: HostHandle) -> None:
        """The host has none of it any more."""
        files = [self.file(host, kind) for kind in ("conf", "keyring")]
        take_back(host, files, self.secret if self._own_secret else "", self._name)

    def prepare(self, host: HostHandle) -> None:
        """The host has the configuration, the key and libvirt's secret; as they are already: written again."""
        monitors = f"[global]\nmon_host = {','.join(self.hosts)}\n" if self.hosts else ""
        limits = _LIMITS.format(monitor=self.waits.monitor, osd=self.waits.osd)
        base = "" if self.hosts else self.conf or "/etc/ceph/ceph.conf"
        own = "yes" if self._own_secret else "no"
        arguments = (f"{host.root}/ceph", self._name, self.user, self.secret, base, own)
        host.transport.run(sh(_PREPARE, *arguments), stdin=f"{self.key}\n{monitors}{limits}".encode(), root=True)


def cluster_of(datastore_id: int, settings: Mapping[str, str], waits: Waits | None = None) -> CephCluster:
    """The cluster that settings tell of; UsageError for what cannot be one."""
    given = {name.upper(): str(value).strip() for name, value in settings.items() if str(value).strip()}
    hosts = tuple(re.split(r"[\s,;]+", given["CEPH_HOST"])) if "CEPH_HOST" in given else ()
    for name, pattern, words in (
        ("POOL_NAME", _NAME, "the name of a pool"),
        ("CEPH_USER", _NAME, "a user without `client.`"),
        ("EC_POOL_NAME", _NAME, "the name of a pool"),
        ("CEPH_CONF", _PATH, "the absolute path of a file on the hosts"),
        ("CEPH_KEY", _KEY, "what `ceph auth get-key client.USER` prints"),
    ):
        if name in given and not pattern.fullmatch(given[name]):
            shown = "it" if name == "CEPH_KEY" else repr(given[name][:60])
            raise UsageError(f"{name} of datastore {datastore_id} makes no sense: {shown} is not {words}")
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise UsageError(f"{host[:60]!r} is no monitor's address", hint="CEPH_HOST=10.0.0.1,10.0.0.2:6789")
    return CephCluster(
        datastore_id=datastore_id,
        pool=given.get("POOL_NAME", "one"),
        user=given.get("CEPH_USER", "libvirt"),
        hosts=hosts,
        conf=given.get("CEPH_CONF", ""),
        key=given.get("CEPH_KEY", ""),
        given_secret=_uuid(given.get("CEPH_SECRET", "")),
        data_pool=given.get("EC_POOL_NAME", ""),
        trash=given.get("CEPH_TRASH", "").lower() in ("yes", "true", "1"),
        flatten=given.get("CEPH_FLATTEN", "").lower() in ("yes", "true", "1"),
        waits=waits or Waits(),
    )


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        raise UsageError("CEPH_SECRET is the UUID of a secret of libvirt's", hint="leave it out: one is made") from None
