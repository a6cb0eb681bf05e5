"""A VM's name as a hostname."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 63


def legal_hostname(name: str) -> str:
    """`name` made a hostname label by RFC 1123: letters, digits and hyphens, lower case, at most 63; dots separate
    labels and stay. Accents are taken off; a name with nothing usable becomes "vm".
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    labels = (re.sub(r"[^a-z0-9]+", "-", label).strip("-") for label in plain.split("."))
    whole = ".".join(label for label in labels if label)[:_LONGEST]
    return whole.strip("-.") or "vm"
