"""What a server bears from its clients."""

from __future__ import annotations

CLIENTS = 256
"""Connections at the same time."""
LONGEST_REQUEST = 16 << 20
"""Bytes of a client's line."""
HELLO = 5.0
"""Seconds within which a client says hello."""
LINE = 30.0
"""Seconds from a line's first byte to its last."""
SEND = 10.0
"""Seconds that a reader may leave us waiting before it is cut off."""
GRACE = 5.0
"""Seconds that running requests get when the server stops."""
QUIET = 0.5
"""Seconds after which a quiet stream looks whether its client is still there."""
