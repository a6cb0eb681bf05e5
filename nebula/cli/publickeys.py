"""Public keys as people hand them over: a file of them, or the key itself."""

from __future__ import annotations

import base64
import re

from nebula.errors import UsageError

_KEY = re.compile(r"(?:^|\s)((?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?=\s|$)")
_EXAMPLE = "give a file like ~/.ssh/id_ed25519.pub, or the line in it"


def is_key(word: str) -> bool:
    """Whether the word is a key and not the name of a file."""
    return " " in word and _KEY.search(word) is not None


def public_keys(text: str, where: str) -> list[str]:
    """The keys in a text of one line a key, with their options and comments; empty lines and remarks are left out.

    UsageError for a private key, and for a line that is no key.
    """
    if "PRIVATE KEY" in text:
        raise UsageError(
            f"--ssh-key {where} is a private key", cause="it must not leave this machine", hint="give the .pub file"
        )
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    wrong = next((line for line in keys if not _is_whole(line)), None)
    if wrong is not None or not keys:
        cause = f"this line is none: {wrong[:60]}" if wrong else "it is empty"
        raise UsageError(f"--ssh-key {where} holds no public key", cause=cause, hint=_EXAMPLE)
    return keys


def _is_whole(line: str) -> bool:
    """Whether the line's data is of the type that it names: a key that was cut when it was copied is not."""
    found = _KEY.search(line)
    if found is None or not line.isprintable():
        return False
    kind = found[1].encode()
    try:
        data = base64.b64decode(found[2], validate=True)
    except ValueError:
        return False
    return len(data) > len(kind) + 8 and data.startswith(len(kind).to_bytes(4, "big") + kind)
