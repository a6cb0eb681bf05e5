"""The bridge driver keeps the contract, on a real kernel."""

from __future__ import annotations

from tests.contract.network import *  # noqa: F403
