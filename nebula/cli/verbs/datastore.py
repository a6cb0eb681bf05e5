"""The commands of `nebula datastore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.textfile import read_text
from nebula.cli.verbs.common import assignments, given
from nebula.errors import NebulaError, UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

_CEPH = ("pool_name", "ceph_host", "ceph_user", "ceph_conf", "ceph_secret", "ec_pool_name")
_ISCSI = ("iscsi_host", "iscsi_user", "iscsi_usage")
_LVM = ("vg_name", "thin_pool", "thin_pool_limit")
_LVM_SWITCHES = {"shared_group": "SHARED", "zero_on_delete": "ZERO_LVM_ON_DELETE"}
_NFS = {"nfs_host": "NFS_AUTO_HOST", "nfs_path": "NFS_AUTO_PATH", "nfs_opts": "NFS_AUTO_OPTS"}
_SERVER = ("fingerprint", "accept_new_key", "ask_password")
_KEEP = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")


def create(context: Context, line: Invocation) -> int:
    """Create a datastore."""
    name = check_name("datastore", line.text("name"))
    spec: dict[str, Any] = {"name": name, **given(line, "type", "driver", "path", "cluster", "host", "server", *_KEEP)}
    if line.text("password_file"):
        text = read_text(line.text("password_file"), "the password's file", largest=1024, hint="one line", stdin=True)
        spec["password"] = text.rstrip("\r\n")
    if spec.get("type") != "backup" and {"host", "server", "password", *_KEEP} & set(spec):
        raise UsageError("--host, --server, --password-file and --keep-… are of backups", hint="--type backup")
    if "server" not in spec and given(line, *_SERVER):
        raise UsageError(
            "--fingerprint, --accept-new-key and --ask-password are of a server", hint="--server [USER@]NAME[:PORT]"
        )
    if line.flag("export"):
        spec["export"] = True
    settings = _ceph(line) | _iscsi(line) | _lvm(line) | _nfs(line)
    if settings:
        spec["settings"] = settings

    def act(engine: Engine, _: str, call: Call) -> Accepted:
        if "server" in spec:
            spec["host_keys"] = [_pinned(context, line, engine, spec)]
        made = engine.datastores.create(spec, call)
        if "server" in spec and not call.dry_run:
            _let_in(context, line, engine, made.name)
        return made

    return make(context, line, [name], act)


def update(context: Context, line: Invocation) -> int:
    """Change attributes, and where the server of backups is and how it is known; bring the key there by a password."""
    attributes = assignments(line.texts("set"))
    changes: dict[str, Any] = {**given(line, "server", "fingerprint"), **({"attributes": attributes} if attributes else {})}
    if not changes and not line.flag("ask_password"):
        raise UsageError("datastore update changes nothing", hint="add --set KEY=VALUE")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        if line.flag("ask_password") and "server" not in changes:
            _told_of_server(engine, ref)
        accepted = engine.datastores.update(ref, changes, call)
        if line.flag("ask_password") and not call.dry_run:
            _let_in(context, line, engine, ref)
        return accepted

    return each(context, line, act, done="updated")


def _pinned(context: Context, line: Invocation, engine: Engine, spec: dict[str, Any]) -> str:
    """The line of the server's host key that was agreed on."""
    from nebula.cli.verbs.host_add import chosen
    from nebula.model.server import server_of

    at = server_of(spec["server"])
    again = f"nebula datastore create {spec['name']} --type backup --server {spec['server']} --path {spec.get('path', 'DIR')} …"
    return chosen(context, line, engine.hosts.scan(at.address, at.port), at.address, at.port, again=again).line


def _told_of_server(engine: Engine, ref: str) -> dict[str, str]:
    """What there is to know of the datastore's server; UsageError for one that has none."""
    detail = engine.datastores.show(ref)
    told: dict[str, str] | None = detail.body.get("server")
    if not told:
        raise UsageError(f"datastore {detail.name} is on no server", hint=f"nebula datastore show {detail.name}")
    return told


def _let_in(context: Context, line: Invocation, engine: Engine, ref: str) -> None:
    """Bring the datastore's key to its server by a password, or say where it belongs."""
    from nebula.cli.verbs.host_add import ask_password
    from nebula.model.server import server_of

    told = _told_of_server(engine, ref)
    at = server_of(told["account"])
    if not line.flag("ask_password"):
        context.say(f"put this line into the authorized_keys of {at.user} on {at.address}, then: nebula datastore check {ref}")
        context.say(told["public_key"])
        return
    try:
        engine.datastores.put_key(ref, ask_password(context, at.user, at.address))
    except NebulaError as error:
        error.hint = f"{error.hint}; the datastore is there: nebula datastore update {ref} --ask-password tries again"
        raise


def _ceph(line: Invocation) -> dict[str, str]:
    """What was said of Ceph, by OpenNebula's names."""
    found = {name.upper(): str(value) for name, value in given(line, *_CEPH).items()}
    if line.text("ceph_key_file"):
        found["CEPH_KEY"] = read_text(
            line.text("ceph_key_file"), "the key's file", largest=1024, hint="one line", stdin=True
        ).strip()
    found |= {name.upper(): "yes" for name in ("ceph_trash", "ceph_flatten") if line.flag(name)}
    if found and line.text("driver") != "ceph":
        raise UsageError("--pool-name, --ec-pool-name and --ceph-… are of Ceph", hint="--driver ceph")
    return found


def _iscsi(line: Invocation) -> dict[str, str]:
    """What was said of an iSCSI portal, by OpenNebula's names where it has them."""
    found = {name.upper(): str(value) for name, value in given(line, *_ISCSI).items()}
    if line.text("iscsi_password_file"):
        text = read_text(line.text("iscsi_password_file"), "the password's file", largest=1024, hint="one line", stdin=True)
        found["ISCSI_PASSWORD"] = text.strip()
    if found and line.text("driver") != "iscsi_libvirt":
        raise UsageError("--iscsi-… are of LUNs that QEMU reaches itself", hint="--driver iscsi_libvirt")
    return found


def _lvm(line: Invocation) -> dict[str, str]:
    """What was said of LVM, by the names of the driver's settings."""
    found = {name.upper(): str(value) for name, value in given(line, *_LVM).items()}
    found |= {setting: "yes" for name, setting in _LVM_SWITCHES.items() if line.flag(name)}
    if line.flag("thin"):
        found["LVM_THIN_ENABLE"] = "yes"
    if line.flag("keep_old_data"):
        found["ZERO_LVM_ON_CREATE"] = "no"
    if found and line.text("driver") != "lvm":
        raise UsageError(
            "--vg-name, --thin…, --shared-group, --zero-on-delete and --keep-old-data are of LVM", hint="--driver lvm"
        )
    return found


def _nfs(line: Invocation) -> dict[str, str]:
    """What was said of an NFS server, by OpenNebula's names."""
    found = {name: str(value) for option, name in _NFS.items() for value in given(line, option).values()}
    if (found or line.flag("export")) and line.text("driver") != "shared":
        raise UsageError("--nfs-… and --export are of shared datastores", hint="--driver shared")
    if found and "NFS_AUTO_HOST" not in found and not line.flag("export"):
        raise UsageError("whose export is it?", hint="--nfs-host HOST")
    if found and not line.flag("export"):
        found["NFS_AUTO_ENABLE"] = "yes"
    if "NFS_AUTO_PATH" in found and line.flag("export"):
        raise UsageError("what this machine exports is --path", hint="leave --nfs-path out")
    return found
