"""Checksums: as typed, as found in a SHA256SUMS-like file, and of a file here."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from nebula.cancel import CancelToken
from nebula.errors import ImageError, UsageError

_DIGITS = {"sha256": 64, "sha512": 128}
_GNU_LINE = re.compile(r"\\?([0-9a-fA-F]{64}|[0-9a-fA-F]{128})(?:\s+\*?(\S.*?))?\s*")
_BSD_LINE = re.compile(r"SHA(?:256|512) \((.+)\) = ([0-9a-fA-F]+)\s*")
_BLOCK = 1 << 20


class Checksum(msgspec.Struct, frozen=True):
    """An algorithm's name (sha256, sha512) and the digest in lower-case hexadecimal."""

    algorithm: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """From `sha256:HEX`, `sha512:HEX` or bare HEX; UsageError otherwise."""
        algorithm, _, digest = text.strip().lower().rpartition(":")
        algorithm = algorithm or next((name for name, digits in _DIGITS.items() if digits == len(digest)), "")
        if len(digest) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digest):
            raise UsageError(
                f"{text!r} is no checksum", cause="sha256 has 64 and sha512 128 hexadecimal digits", hint="sha256sum FILE"
            )
        return cls(algorithm, digest)

    def verify(self, path: Path, source: str, cancel: CancelToken | None = None) -> None:
        """ImageError unless the file at `path`, which came from `source`, has this digest."""
        found = digest_of(path, self.algorithm, cancel)
        if found != self.digest:
            cause = f"{self.algorithm} should be {self.digest}, is {found}"
            hint = "it is damaged, or the checksum is of another version: compare with the distributor's page"
            raise ImageError(f"what came from {source} is not what its checksum promises", cause=cause, hint=hint)


def digest_of(path: Path, algorithm: str, cancel: CancelToken | None = None) -> str:
    """The file's digest in hexadecimal."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if cancel:
                cancel.raise_if_set()
            digest.update(block)
    return digest.hexdigest()


def find_checksum(sums: str, file_name: str, source: str) -> Checksum:
    """The checksum of `file_name` in a file of GNU or BSD style lines that came from `source`; a file that holds but one
    checksum is about the file beside it, whatever it calls that. ImageError if there is none.
    """
    found = dict(entry for line in sums.splitlines() if (entry := _entry(line)))
    if file_name in found:
        return Checksum.parse(found[file_name])
    if len(found) == 1:
        return Checksum.parse(next(iter(found.values())))
    raise ImageError(
        f"{source} has no checksum for {file_name}", cause=f"it lists {len(found)} files", hint=f"curl -L {source}"
    )


def _entry(line: str) -> tuple[str, str] | None:
    if match := _BSD_LINE.fullmatch(line):
        return match[1].rpartition("/")[2], match[2]
    if match := _GNU_LINE.fullmatch(line):
        return (match[2] or "").rpartition("/")[2], match[1]
    return None
