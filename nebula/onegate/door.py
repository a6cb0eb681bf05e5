"""What is asked of OneGate, and what it answers: OpenNebula's requests on the façade."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from nebula.engine.api.values import Call, Detail
from nebula.errors import CapacityError, DeniedError, NebulaError, UsageError
from nebula.model.template.one import parse_one
from nebula.model.template.values import name_of
from nebula.onegate.counts import Counts
from nebula.onegate.exchange import Answer, Asked, words

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine

GUESSES, REPORTS, MINUTE = 10, 60, 60.0
"""Wrong tokens for a VM from one address, and a VM's reports, within a minute."""
_LONGEST_TOKEN, _LONGEST_ID = 256, 18
_FORM = frozenset({"data", "type", "json", "extended", "hard", "role", "cardinality"})
"""What the program `onegate` sends as a form."""
Way = Callable[[Asked, Detail, str], Answer]
_log = logging.getLogger(__name__)


class Door:
    """Answers one request at a time."""

    def __init__(self, engine: Engine, now: Callable[[], float] | None = None) -> None:
        self._engine = engine
        clock = {"now": now} if now else {}
        self._guesses = Counts(GUESSES, MINUTE, **clock)
        self._reports = Counts(REPORTS, MINUTE, **clock)
        self._ways: dict[str, dict[str, Way]] = {
            "/": {"GET": self._links},
            "/vm": {"GET": _shown, "PUT": self._report},
        }

    def answer(self, asked: Asked, peer: str) -> Answer:
        """`peer`: the address that asks. Whatever is asked, the token comes first."""
        number, token = asked.headers.get("x-onegate-vmid", ""), asked.headers.get("x-onegate-token", "")
        whose = (peer, number[:_LONGEST_ID])
        if self._guesses.full(whose):
            return words(429, later=MINUTE)
        vm = self._known(number, token)
        if vm is None:
            self._guesses.add(whose)
            if self._guesses.full(whose):
                _log.warning("%s gave wrong tokens for VM %s: it is not heard for a while", peer, number[:_LONGEST_ID])
            return words(401, "Not authorized")
        self._guesses.forget(whose)
        try:
            return self._route(asked, vm, token)
        except DeniedError as error:
            return words(403, str(error))
        except CapacityError as error:
            return words(413, str(error))
        except UsageError as error:
            return words(400, str(error))

    def _known(self, number: str, token: str) -> Detail | None:
        """The VM whose token it is."""
        sound = number.isascii() and number.isdecimal() and len(number) <= _LONGEST_ID and 0 < len(token) <= _LONGEST_TOKEN
        try:
            return self._engine.onegate.vm(int(number), token) if sound else None
        except DeniedError:
            return None

    def _route(self, asked: Asked, vm: Detail, token: str) -> Answer:
        path = f"/{asked.target.partition('?')[0].strip('/')}"
        if path.startswith("/vms/"):
            if path != f"/vms/{vm.id}":
                return words(403, "there are no services here: a VM knows of itself alone")
            path = "/vm"
        ways = self._ways.get(path)
        if ways is None:
            return words(404)
        way = ways.get(asked.method)
        return way(asked, vm, token) if way else words(405)

    def _links(self, _asked: Asked, _vm: Detail, _token: str) -> Answer:
        return _json({"vm_info": f"{self._engine.onegate.show().endpoint}/vm"})

    def _report(self, asked: Asked, vm: Detail, token: str) -> Answer:
        if self._reports.full(vm.id):
            return words(429, later=MINUTE)
        self._reports.add(vm.id)
        self._engine.onegate.report(vm.id, token, said(asked), Call(actor=f"guest:{vm.id}"))
        return Answer(200)


def said(asked: Asked) -> Mapping[str, Any]:
    """The attributes that a request sets, "" for those that it takes away: OpenNebula's template syntax as it is (by curl), or
    as a form's `data`, with the `type` 1, or 2 to take away (by the program `onegate`). UsageError for anything else.
    """
    try:
        text = asked.body.decode()
        form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
        query = dict(parse_qsl(asked.target.partition("?")[2], max_num_fields=10))
    except ValueError as error:
        raise UsageError("the request cannot be read", cause=str(error)[:100]) from error
    if "data" in form and form.keys() <= _FORM:
        text, query = form["data"], {**query, **form}
    kind = query.get("type", "1")
    if kind == "2":
        return {name_of(name): "" for name in text.split()}
    if kind != "1":
        raise UsageError("type is 1 to set attributes, or 2 to take them away", cause=f"got {kind[:20]!r}")
    return parse_one(text, "the request")


def _shown(_asked: Asked, vm: Detail, _token: str) -> Answer:
    return _json({"VM": vm.body})


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode())


def failed(error: Exception) -> Answer:
    """What a guest is told of a failure that is none of its own."""
    _log.error("a guest's request failed: %s", error if isinstance(error, NebulaError) else repr(error))
    return words(500)
