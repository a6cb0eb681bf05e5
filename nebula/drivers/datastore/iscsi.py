"""LUNs of an iSCSI portal, which QEMU on each host reaches by its own initiator: the host's kernel knows nothing of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nebula.drivers.base import DatastoreCapabilities, HostHandle
from nebula.drivers.datastore.iscsiportal import canonical_lun, portal_of
from nebula.drivers.datastore.lun import Lun, LunDatastore, in_words
from nebula.drivers.datastore.luncheck import check_iscsi
from nebula.drivers.datastore.lunscript import ABSENT, ISCSI_SIZE, ISCSI_USERS
from nebula.errors import CommandError, ConflictError, NebulaError, NotFoundError, TimedOutError
from nebula.model.host import Finding
from nebula.model.iscsi import is_iscsi, parse
from nebula.transport.scripts import sh

_SECONDS = 40.0
"""A portal that drops packets is given up after this long."""
_SILENT = ("Can not reconnect", "timed out", "Timeout", "Connection refused", "No route to host", "Failed to connect to LUN")


class IscsiDatastore(LunDatastore):
    """`settings` are those of `iscsiportal.portal_of`, with OpenNebula's names; an image's source is TARGET/LUN."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        self.portal = portal_of(datastore_id, settings)

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return msgspec.structs.replace(super().capabilities, gives_keys=bool(self.portal.user))

    def detach(self, host: HostHandle) -> None:
        """See Detachable.detach."""
        self.forget(host)
        self.portal.leave(host)

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check: tools, QEMU's initiator, the portal's port."""
        return check_iscsi(host, *self.portal.source("iqn.2000-01.none:0/0").portal)

    def canonical_source(self, source: str) -> str:
        """See Datastore.canonical_source."""
        return canonical_lun(source)

    def path_of(self, source: str) -> str:
        """See LunDatastore.path_of."""
        return self.portal.source(source).text

    def source_at(self, path: str) -> str:
        """See LunDatastore.source_at."""
        return parse(path).name if is_iscsi(path) else ""

    def make_ready(self, host: HostHandle) -> None:
        """See LunDatastore.make_ready."""
        try:
            self.portal.prepare(host)
        except CommandError as error:
            raise ConflictError(
                f"host {host.name} was not given the password of user {self.portal.user}",
                cause=error.cause,
                hint=f"ssh {host.name} virsh secret-list",
            ) from error

    def options(self, host: HostHandle, source: str) -> tuple[str, str]:
        """See LunDatastore.options."""
        return self.portal.options(source), self.portal.password_file(host)

    def look(self, host: HostHandle, source: str) -> Lun:
        """See LunDatastore.look."""
        try:
            said = host.transport.run(sh(ISCSI_SIZE, *self.options(host, source)), root=True, timeout=_SECONDS)
        except TimedOutError as error:
            raise self._silent(host, error.cause or error.message) from error
        except CommandError as error:
            raise self._told(host, source, error) from error
        return Lun(int(said.text), source)

    def rescan(self, host: HostHandle, source: str) -> None:
        """Nothing: QEMU asks the target itself."""

    def users(self, host: HostHandle, source: str) -> list[str]:
        """See LunDatastore.users."""
        return host.transport.run(sh(ISCSI_USERS, source), root=True).text.splitlines()

    def _told(self, host: HostHandle, source: str, error: CommandError) -> NebulaError:
        if error.status == ABSENT:
            return NotFoundError(
                f"host {host.name} finds no LUN {source} at {self.portal.host}",
                cause=error.cause,
                hint="is it exported to this host? its number and the target's name are as on the SAN",
            )
        if "Authentication failure" in error.cause or "Authorization failure" in error.cause:
            return ConflictError(
                f"the target of LUN {source} refuses the login of host {host.name}",
                cause=error.cause,
                hint="user and password are those of the target: --iscsi-user, --iscsi-password-file",
            )
        if any(words in error.cause for words in _SILENT):
            return self._silent(host, error.cause)
        return in_words(host, source, error)

    def _silent(self, host: HostHandle, cause: str) -> TimedOutError:
        name, port = self.portal.source("iqn.2000-01.none:0/0").portal
        return TimedOutError(
            f"the iSCSI portal {self.portal.host} does not answer host {host.name}",
            cause=cause,
            hint=f"ssh {host.name} nc -vz {name} {port}",
        )
