"""The files that a template asks for: FILES_DS, KERNEL_DS …, in OpenNebula's words or as a list of names."""

from __future__ import annotations

import re

from nebula.errors import UsageError

_NAMED = re.compile(r"""\$FILE\[\s*(?:IMAGE|IMAGE_ID)\s*=\s*(?:"([^"]*)"|([^\],\s"]+))\s*(?:,[^\]]*)?\]""", re.IGNORECASE)


def file_references(text: str, attribute: str = "CONTEXT/FILES_DS") -> tuple[str, ...]:
    """Names or ids of images: `$FILE[IMAGE="x"] $FILE[IMAGE_ID=3]`, or `x, 3`. UsageError for what is neither."""
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        found.append(match[1] if match[1] is not None else match[2])
        return " "

    rest = _NAMED.sub(take, text)
    if "$" in rest:
        raise UsageError(
            f"{attribute} cannot be understood", cause=f"got {rest.strip()[:80]!r}", hint='$FILE[IMAGE="NAME"], or: NAME'
        )
    return tuple(dict.fromkeys(name.strip() for name in [*found, *re.split(r"[,\s]+", rest)] if name.strip()))
