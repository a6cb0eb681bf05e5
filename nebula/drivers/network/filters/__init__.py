"""What passes a card: security groups, and nothing forged. By nftables, with iptables and ipset where bridges of the host's
kernel know no connections.
"""

from nebula.drivers.network.filters.apply import filtered, remove_filters, set_filters

__all__ = ["filtered", "remove_filters", "set_filters"]
