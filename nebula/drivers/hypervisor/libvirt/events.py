"""What a host pushes: libvirt's callbacks become DomainEvents."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from nebula.drivers.hypervisor.libvirt.connection import Link, Session
from nebula.drivers.hypervisor.libvirt.reality import event_of
from nebula.errors import UnreachableError
from nebula.model.domain import DomainEvent

Callback = Callable[[DomainEvent], None]


class EventSubscription:
    """Events of one host until it is closed or the connection dies; then `alive` is False and one subscribes anew."""

    def __init__(self, link: Link, host: str, callback: Callback) -> None:
        self._link, self._host, self._callback = link, host, callback
        self._lock = threading.Lock()
        self._closed = False
        self._session, self._ids = link.call("subscribing to events", self._register)

    def _register(self, session: Session) -> tuple[Session, list[int]]:
        lib, conn = session
        lifecycle, io_error = lib.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lib.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON
        return session, [
            conn.domainEventRegisterAny(None, lifecycle, self._lifecycle, None),
            conn.domainEventRegisterAny(None, io_error, self._io_error, None),
        ]

    def _lifecycle(self, _conn: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        known = event_of(event, detail)
        if known is not None:
            self._push(DomainEvent(host=self._host, uuid=domain.UUIDString(), kind=known[0], reason=known[1]))

    def _io_error(self, _conn: Any, domain: Any, path: str, _alias: str, _action: int, reason: str, _opaque: object) -> None:
        words = f"{path}: {reason}" if reason else str(path)
        self._push(DomainEvent(host=self._host, uuid=domain.UUIDString(), kind="io_error", reason="io_error", detail=words))

    def _push(self, event: DomainEvent) -> None:
        if not self._closed:
            self._callback(event)

    def alive(self) -> bool:
        """See Subscription.alive."""
        return not self._closed and self._link.holds(self._session)

    def close(self) -> None:
        """See Subscription.close."""
        with self._lock:
            if not self.alive():
                self._closed = True
                return
            self._closed = True
        try:
            self._link.call("ending a subscription", self._deregister, again=False)
        except UnreachableError:
            return  # the callbacks went with the connection

    def _deregister(self, session: Session) -> None:
        if session.conn is self._session.conn:
            for number in self._ids:
                session.conn.domainEventDeregisterAny(number)
