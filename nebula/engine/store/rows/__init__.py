"""What the database holds: one resource a file, a typed row each. Tables and columns are derived from these."""

from nebula.engine.store.rows.backup import BackupRow
from nebula.engine.store.rows.base import Row
from nebula.engine.store.rows.cluster import ClusterRow
from nebula.engine.store.rows.datastore import DatastoreRow
from nebula.engine.store.rows.hardware import HardwareRow, ReservationRow
from nebula.engine.store.rows.host import HostRow
from nebula.engine.store.rows.image import ImageCopyRow, ImageRow
from nebula.engine.store.rows.job import JobLogRow, JobRow
from nebula.engine.store.rows.journal import EventRow, MetaRow, RequestRow
from nebula.engine.store.rows.network import AddressRangeRow, LeaseRow, NetworkRow
from nebula.engine.store.rows.owned import Owned
from nebula.engine.store.rows.plan import PlanRow
from nebula.engine.store.rows.promised import PromisedRow
from nebula.engine.store.rows.rollup import RollupRow
from nebula.engine.store.rows.schedule import ScheduleRow
from nebula.engine.store.rows.securitygroup import SecurityGroupRow
from nebula.engine.store.rows.template import TemplateRow
from nebula.engine.store.rows.vm import HistoryRow, VmRow
from nebula.engine.store.rows.vmgroup import VmGroupMemberRow, VmGroupRow

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
    RollupRow,
    PlanRow,
    VmGroupRow,
    VmGroupMemberRow,
    TemplateRow,
    HardwareRow,
    ReservationRow,
    ScheduleRow,
    BackupRow,
    SecurityGroupRow,
    PromisedRow,
)

__all__ = [
    "ALL",
    "AddressRangeRow",
    "BackupRow",
    "ClusterRow",
    "DatastoreRow",
    "EventRow",
    "HardwareRow",
    "HistoryRow",
    "HostRow",
    "ImageCopyRow",
    "ImageRow",
    "JobLogRow",
    "JobRow",
    "LeaseRow",
    "MetaRow",
    "NetworkRow",
    "Owned",
    "PlanRow",
    "PromisedRow",
    "RequestRow",
    "ReservationRow",
    "RollupRow",
    "Row",
    "ScheduleRow",
    "SecurityGroupRow",
    "TemplateRow",
    "VmGroupMemberRow",
    "VmGroupRow",
    "VmRow",
]
