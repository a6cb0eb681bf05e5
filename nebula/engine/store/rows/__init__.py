"""What the database holds: one resource a file, a typed row each. Tables and columns are derived from these."""

from nebula.engine.store.rows.base import Row
from nebula.engine.store.rows.cluster import ClusterRow
from nebula.engine.store.rows.datastore import DatastoreRow
from nebula.engine.store.rows.host import HostRow
from nebula.engine.store.rows.image import ImageCopyRow, ImageRow
from nebula.engine.store.rows.job import JobLogRow, JobRow
from nebula.engine.store.rows.journal import EventRow, MetaRow, RequestRow
from nebula.engine.store.rows.network import AddressRangeRow, LeaseRow, NetworkRow
from nebula.engine.store.rows.vm import HistoryRow, VmRow

ALL: tuple[type[Row], ...] = (
    MetaRow,
    ClusterRow,
    HostRow,
    DatastoreRow,
    ImageRow,
    ImageCopyRow,
    NetworkRow,
    AddressRangeRow,
    LeaseRow,
    VmRow,
    HistoryRow,
    JobRow,
    JobLogRow,
    EventRow,
    RequestRow,
)

__all__ = [
    "ALL",
    "AddressRangeRow",
    "ClusterRow",
    "DatastoreRow",
    "EventRow",
    "HistoryRow",
    "HostRow",
    "ImageCopyRow",
    "ImageRow",
    "JobLogRow",
    "JobRow",
    "LeaseRow",
    "MetaRow",
    "NetworkRow",
    "RequestRow",
    "Row",
    "VmRow",
]
