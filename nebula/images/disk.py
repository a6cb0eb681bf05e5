"""Files that are brought here, and a disk that does not take them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

from nebula.errors import CapacityError, ImageError, NebulaError


def private_file(path: Path) -> IO[bytes]:
    """The file opened for writing from its start, readable by nobody else."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")


def disk_error(error: OSError, path: Path) -> NebulaError:
    """What the system said while `path` was written, as one of the tree."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CapacityError(f"there is no room for {path}", cause=error.strerror or "", hint=f"df -h {path.parent}")
    return ImageError(f"{path} cannot be written", cause=error.strerror or str(error), hint=f"ls -ld {path.parent}")
