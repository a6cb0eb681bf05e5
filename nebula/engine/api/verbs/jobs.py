"""The verbs of jobs."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.values import Accepted, Call, JobView, Listing, Query
from nebula.engine.api.verbs.answers import Lines


class Jobs(Protocol):
    """Jobs."""

    def list(self, query: Query) -> Listing: ...
    def show(self, job_id: int) -> JobView: ...
    def log(self, job_id: int, after: int = 0) -> Lines: ...
    def cancel(self, job_id: int, call: Call) -> Accepted: ...
