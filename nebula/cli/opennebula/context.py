"""OpenNebula's contextualization: the CD, what the core tells of cards, and what guests do with it.

The variables that a template may set are among its attributes.
"""

from __future__ import annotations

from nebula.cli.opennebula.rows import Row, done, none, refused

_SERVICES = "services are OneFlow's, a program of its own; nebula apply makes a set of VMs as one document says"
_ROUTERS = "virtual routers are appliances of OpenNebula's; a VM with a card in each network routes"

CD: tuple[Row, ...] = (
    *done("", "label CONTEXT", note="ISO 9660 with Joliet and Rock Ridge"),
    *done("", "context.sh", note="NAME='value' lines; user data and scripts as base64"),
    *done("daemon onegate", "token.txt", note="for TOKEN=YES, where guests report to"),
    *refused("it names files of the engine's machine: FILES_DS", "FILES"),
    *done("image create --type context", "FILES_DS", note="an image of type context lies on the CD under its name"),
    *done("image create --type context", "init.sh", note="an image of that name, in FILES_DS"),
    *none("it is the CD-ROM behind the VM's disks, where the machine has room", "TARGET and DEV_PREFIX"),
    *done("", "rebuilt at each start", note="and for migrations, and where its memory is restored"),
    *done(
        "", "rebuilt at nic-attach and nic-detach", note="once the card is there; a guest that looks again learns its addresses"
    ),
    *done("vm update --context", "rebuilt at updateconf", note="a running guest sees that the medium was changed"),
)
CORE: tuple[Row, ...] = (
    *none("the guest finds the CD by its label", "DISK_ID", "TARGET"),
    *done("daemon onegate", "VMID", "ONEGATE_ENDPOINT", note="with a token; a context's own ONEGATE_ENDPOINT wins"),
)
CARDS: tuple[Row, ...] = (
    *done(
        "",
        *("IP", "MAC", "MASK", "NETWORK", "GATEWAY", "DNS", "SEARCH_DOMAIN", "MTU", "METRIC", "METHOD", "VLAN_ID"),
        *("EXTERNAL", "ROUTES", "IP6", "IP6_ULA", "IP6_GATEWAY", "IP6_METRIC", "IP6_METHOD", "IP6_PREFIX_LENGTH"),
        note="ETHn_NAME: the card's own attribute, or its network's",
    ),
    *none(_ROUTERS, "VROUTER_IP", "VROUTER_MANAGEMENT", "VROUTER_IP6"),
    *done(
        "vm nic-attach --alias",
        "ALIAS",
        note="ETHn_ALIASm_NAME: each of these; one-context sets them up, but for EXTERNAL ones. cloud-init reads none",
    ),
    *none("a PCI device of TYPE NIC has the MAC address of its lease: the guest finds it as ETHn", "PCI", "PCI ADDRESS"),
    *refused(
        "a host's folder is on no other host: NFS in the guest, or RAW/DATA with a filesystem",
        *("DISK MOUNT_TAG", "DISK MOUNT_POINT"),
    ),
)
"""What each card's `ETHn_` has behind it; and other prefixes."""
GUESTS: tuple[Row, ...] = (
    *done("", "cloud-init's datasource", note="Debian's package, unmodified, boots with it in the tests"),
    *done("", "one-context's services", note="they find the CD by its label and read context.sh"),
    *done(
        "",
        "re-run on a CD change",
        note="one-context does what is new; cloud-init has the host name at the next boot, all else after `cloud-init clean`",
    ),
    *done("daemon onegate", "TOKEN", "REPORT_READY", note="REPORT_READY brings the token with it"),
    *done("vm wait NAME READY", "READY gate", note="READY goes when the VM starts anew"),
    *none("no local path is taken: FILES is refused", "CONTEXT_RESTRICTED_DIRS", "CONTEXT_SAFE_DIRS"),
)
GATE: tuple[Row, ...] = (
    *done("daemon onegate", "GET /", "GET /vm", "PUT /vm", note="X-ONEGATE-TOKEN and X-ONEGATE-VMID; type=2 takes away"),
    *done("daemon onegate", "GET /vms/ID", "PUT /vms/ID", note="of the guest's own VM"),
    *done("", "restricted_attrs", note="all that says what a VM is made of or where it may be"),
    *none(_SERVICES, "POST /vms/ID/action", "GET /service", "PUT /service/role/ROLE"),
    *none(_ROUTERS, "GET /vrouter", "GET /vnet/ID"),
)
"""OneGate's requests."""
