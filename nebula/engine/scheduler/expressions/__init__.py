"""Requirements and ranks: OpenNebula's expressions over what is known of hosts, datastores and networks.

`requirement(text, HOST)` and `rank(text, HOST)` parse and compile once a text; `check` is what a new VM passes. All
raise UsageError for what cannot be read, with the place marked. docs/requirements.md has the grammar.
"""

from nebula.engine.scheduler.expressions.attributes import DATASTORE, HOST, NETWORK, Attribute, Subject
from nebula.engine.scheduler.expressions.check import Custom, check_rank, check_requirement, custom_names
from nebula.engine.scheduler.expressions.compiled import Rank, Requirement, rank, requirement
from nebula.engine.scheduler.expressions.values import Attributes, Value, custom, value_of
from nebula.engine.scheduler.expressions.variables import substituted

__all__ = [
    "DATASTORE",
    "HOST",
    "NETWORK",
    "Attribute",
    "Attributes",
    "Custom",
    "Rank",
    "Requirement",
    "Subject",
    "Value",
    "check_rank",
    "check_requirement",
    "custom",
    "custom_names",
    "rank",
    "requirement",
    "substituted",
    "value_of",
]
