"""Names for what verbs take and answer; lists among them, because nouns have a verb called `list`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.api.values import CatalogueEntry, Detail, Difference, Event, Finding, HostKeyOffer, LogLine
from nebula.model.guest import GuestAddress

Attributes = Mapping[str, Any]
"""OpenNebula's, upper-case keys."""
Offers = list[HostKeyOffer]
Findings = list[Finding]
Catalogue = list[CatalogueEntry]
Lines = list[LogLine]
Happened = list[Event]
Addresses = list[GuestAddress]
Rows = list[Detail]
Differences = list[Difference]
