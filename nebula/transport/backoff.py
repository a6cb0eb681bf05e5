"""A host that did not answer is left alone for a while, so that nothing waits for it again and again."""

from __future__ import annotations

from nebula.clock import Clock
from nebula.errors import UnreachableError

_FIRST, _LONGEST = 2.0, 60.0


class Backoff:
    """Remembers failed attempts to connect: 2 seconds of silence after the first, doubling, 60 at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pause = 0.0
        self._until = float("-inf")
        self._last: UnreachableError | None = None

    def check(self) -> None:
        """Raise the last failure again, at once, while its pause lasts."""
        left = self._until - self._clock.monotonic()
        if self._last is not None and left > 0:
            words = f"{self._last.cause} (tried just now, next attempt in {left:.0f} s)"
            raise UnreachableError(self._last.message, cause=words, hint=self._last.hint)

    def failed(self, error: UnreachableError) -> None:
        """An attempt failed."""
        self._pause = min(max(_FIRST, self._pause * 2), _LONGEST)
        self._until, self._last = self._clock.monotonic() + self._pause, error

    def end_pause(self) -> None:
        """The next attempt may come at once; should it fail, the pause after it is as long as it would have been."""
        self._until = float("-inf")

    def succeeded(self) -> None:
        """The host answered (be it with a refusal)."""
        self._pause, self._last = 0.0, None
