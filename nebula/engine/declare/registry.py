"""The kinds of documents, each after those that it stands on."""

from __future__ import annotations

from nebula.engine.declare.kind import Kind
from nebula.engine.declare.kinds.cluster import Clusters
from nebula.engine.declare.kinds.datastore import Datastores
from nebula.engine.declare.kinds.host import Hosts
from nebula.engine.declare.kinds.image import Images
from nebula.engine.declare.kinds.network import Networks
from nebula.engine.declare.kinds.securitygroup import SecurityGroups
from nebula.engine.declare.kinds.template import Templates
from nebula.engine.declare.kinds.vm import Vms
from nebula.engine.declare.kinds.vmgroup import VmGroups
from nebula.errors import UsageError
from nebula.names import near

KINDS: tuple[Kind, ...] = (
    Clusters(),
    Hosts(),
    Datastores(),
    SecurityGroups(),
    Networks(),
    Images(),
    Templates(),
    VmGroups(),
    Vms(),
)


def kind_named(name: str, where: str = "") -> Kind:
    """The kind; UsageError if there is none. `where` goes before its message."""
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None:
        names = [kind.name for kind in KINDS]
        close = near(name, names)
        raise UsageError(
            f"{where}no kind of object is called {name[:60]!r}",
            hint=f"did you mean {close[0]}?" if close else f"one of: {', '.join(names)}",
        )
    return found
