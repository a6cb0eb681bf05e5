"""Where to fetch from instead: what a URL begins with, and what to put in its place."""

from __future__ import annotations

from pathlib import Path

from nebula.errors import UsageError

FILE = "mirrors"
"""Below the home."""


class Mirrors:
    """Replacements of beginnings of URLs; the longest that fits counts."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = dict(sorted(places.items(), key=lambda item: -len(item[0])))

    @classmethod
    def load(cls, home: Path) -> Mirrors:
        """The home's, none if there is no file; UsageError for a line that cannot be understood."""
        path = home / FILE
        try:
            return cls.parse(path.read_text(), str(path))
        except FileNotFoundError:
            return cls({})
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read", cause=str(error), hint=f"ls -l {path}") from error

    @classmethod
    def parse(cls, text: str, source: str) -> Mirrors:
        """A line a mirror: what a URL begins with, and what takes its place; # begins a comment."""
        places: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or not all(word.startswith(("http://", "https://")) for word in words):
                raise UsageError(
                    f"line {number} of {source} is no mirror",
                    cause=line.strip()[:200],
                    hint="write: https://cloud.debian.org/images/ http://mirror.lan/debian-images/",
                )
            places[words[0]] = words[1]
        return cls(places)

    def place_of(self, url: str) -> str:
        """The URL to fetch instead of this one."""
        for start, instead in self._places.items():
            if url.startswith(start):
                return instead + url.removeprefix(start)
        return url
