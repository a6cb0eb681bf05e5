"""The commands of `nebula network`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import PLAIN_FORMAT, SET, check, listing, ownership, ref, refs, remove, rename, show

_RANGES = Option(
    "--range", "Addresses: 10.0.0.10-10.0.0.50, 10.0.0.10+100, or 100 for MACs only; may be repeated.", "many", metavar="RANGE"
)
SECURITY_GROUP = Option(
    "--security-group",
    "A security group of all its cards; may be repeated. Without one everything passes.",
    "many",
    metavar="GROUP",
    complete="securitygroup",
)
DEVICE_ON = Option(
    "--physical-device-on",
    "A host whose physical device is another one; may be repeated. No device: the usual one.",
    "many",
    metavar="HOST=DEVICE",
)
_ADDRESS = Argument("address", "An IP or MAC address of the network.")

_DRIVERS = ("bridge", "802.1Q", "vxlan", "ovswitch", "ovswitch_vxlan", "sim")

COMMANDS = (
    listing("network", "nebula network list"),
    show("network"),
    Command(
        "leases",
        "List addresses that are taken.",
        "nebula network leases lan",
        "verbs.network:leases",
        (ref("network"),),
        (PLAIN_FORMAT,),
    ),
    Command(
        "create",
        "Create a network: on a bridge of the hosts (--bridge), or one of our own, with --nat or --routed towards the world.",
        "nebula network create lan --bridge br0 --range 192.168.1.200-192.168.1.250 --gateway 192.168.1.1 --dns 192.168.1.1",
        "verbs.network:create",
        (Argument("name", "Its name."),),
        (
            Option("--nat", "The hosts route and masquerade for the guests.", "flag"),
            Option("--routed", "The hosts route for the guests, without NAT: --gateway says where.", "flag"),
            Option("--bridge", "A bridge that the hosts have.", metavar="BRIDGE"),
            _RANGES,
            Option("--gateway", "The guests' gateway.", metavar="IP"),
            Option("--prefix", "Length of the network's prefix (default 24).", "integer", metavar="N"),
            Option("--gateway6", "The guests' IPv6 gateway.", metavar="IP"),
            Option("--prefix6", "Length of the IPv6 prefix (default 64).", "integer", metavar="N"),
            Option("--dns", "A name server; may be repeated.", "many", metavar="IP"),
            Option("--dhcp", "Hosts give their guests addresses and names by DHCP and DNS, on bridges of our own.", "flag"),
            Option("--dhcp-address", "The same, and where they answer: with NAT that is the gateway.", metavar="IP"),
            Option("--mtu", "MTU.", "integer", metavar="N"),
            Option(
                "--physical-device",
                "A device of the hosts: a port of our own bridge, or the way of VLANs and VXLANs.",
                metavar="DEVICE",
            ),
            DEVICE_ON,
            Option(
                "--move-addresses",
                "What hosts have of their own on that device goes onto the bridge, and back if they are not reached there.",
                "flag",
            ),
            Option(
                "--vlan-id",
                "The VLAN of 802.1Q, or the number of a VXLAN; without it a free one. Of Open vSwitch the VLAN, else none.",
                "integer",
                metavar="N",
            ),
            Option("--automatic-vlan-id", "A free VLAN of Open vSwitch.", "flag"),
            Option("--vlan-tagged-id", "VLANs of Open vSwitch that guests tag themselves: 10,20-22.", metavar="VLANS"),
            Option(
                "--cvlans",
                "VLANs of Open vSwitch that guests tag themselves within --vlan-id (QinQ): 101,110-113.",
                metavar="VLANS",
            ),
            Option("--qinq-type", "The tag around those (default 802.1ad).", metavar="TYPE", choices=("802.1ad", "802.1q")),
            Option("--outer-vlan-id", "The number of ovswitch_vxlan's VXLAN; without it a free one.", "integer", metavar="N"),
            Option(
                "--vxlan-mode",
                "How hosts of a VXLAN find each other: a multicast group (default), all hosts' addresses, or FRR on them.",
                metavar="MODE",
                choices=("multicast", "static", "evpn"),
            ),
            Option("--driver", "Network driver (default bridge).", metavar="DRIVER", choices=_DRIVERS),
            Option("--cluster", "Only for this cluster.", metavar="CLUSTER", complete="cluster"),
            SECURITY_GROUP,
        ),
        changes=True,
        key="n",
    ),
    Command(
        "add-range",
        "Add addresses.",
        "nebula network add-range lan 10.0.0.100+50",
        "verbs.network:add_range",
        (ref("network"), Argument("range", "10.0.0.10-10.0.0.50, 10.0.0.10+100, or 100 for MACs only.")),
        changes=True,
        key="+",
    ),
    Command(
        "remove-range",
        "Take a range away of which nothing is leased.",
        "nebula network remove-range lan 1",
        "verbs.network:remove_range",
        (ref("network"), Argument("number", "Its number in `network show`.")),
        changes=True,
        risk="destroys",
    ),
    Command(
        "hold",
        "Give an address to nobody.",
        "nebula network hold lan 10.0.0.20",
        "verbs.network:hold",
        (ref("network"), _ADDRESS),
        changes=True,
        key="h",
    ),
    Command(
        "release",
        "Give a held address free.",
        "nebula network release lan 10.0.0.20",
        "verbs.network:release",
        (ref("network"), _ADDRESS),
        changes=True,
        key="u",
    ),
    Command(
        "reserve",
        "Move addresses to a network of their own.",
        "nebula network reserve lan web-lan --size 10",
        "verbs.network:reserve",
        (ref("network"), Argument("name", "The new network's name.")),
        (
            Option("--size", "How many.", "integer", metavar="N"),
            Option("--first", "The first of them.", metavar="ADDRESS"),
        ),
        changes=True,
        key="r",
    ),
    check("network", "Look whether the hosts can carry networks."),
    rename("network"),
    *ownership("network"),
    Command(
        "update",
        "Change networks' security groups, on running VMs at once, the devices of hosts without VMs on them, and attributes.",
        "nebula network update lan --security-group web --set RACK=7",
        "verbs.network:update",
        (refs("network"),),
        (SECURITY_GROUP, Option("--no-security-group", "From now on everything passes.", "flag"), DEVICE_ON, SET),
        changes=True,
        key="e",
    ),
    remove("network", "Remove networks without leases."),
)
