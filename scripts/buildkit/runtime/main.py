"""The archive's __main__: reached by `python3 FILE`, or from FILE's own shell script in order to unpack.

Written for any Python 3, so that an old one can say what is missing.
"""

import os
import sys


def call_shell() -> None:
    """`python3.12 FILE ...` is FILE under that interpreter."""
    os.environ["NEBULA_PYTHON"] = sys.executable
    os.execv("/bin/sh", ["/bin/sh", *sys.argv])  # noqa: S606 - our own script, arguments as they came


if __name__ == "__main__":
    if "NEBULA_CHECK" in os.environ:
        from importlib import import_module

        sys.exit(import_module("unpack").check(sys.argv[0], os.environ["NEBULA_CHECK"]))
    if "NEBULA_UNPACK" in os.environ:
        from importlib import import_module

        sys.exit(import_module("unpack").main(sys.argv[0], os.environ["NEBULA_UNPACK"], sys.argv[1:]))
    call_shell()
