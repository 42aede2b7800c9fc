"""Addresses of clients and networks of proxies."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# All with the same first bits of an IPv6 address are one: a customer of a provider usually has as many.
IPV6_NETWORK_BITS = 64


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a list with commas; * is all of them.

    Raises:
        ValueError: a part is neither an address nor a network.

    >>> networks("127.0.0.1, 10.0.0.0/8")
    (IPv4Network('127.0.0.1/32'), IPv4Network('10.0.0.0/8'))
    """
    parts = "0.0.0.0/0,::/0" if text.strip() == "*" else text
    return tuple(ip_network(part.strip(), strict=False) for part in parts.split(",") if part.strip())


def is_in(address: str, wanted: Iterable[Network]) -> bool:
    """Tell if an address is in one of the networks.

    >>> is_in("::ffff:10.1.2.3", networks("10.0.0.0/8")), is_in("", networks("*"))
    (True, False)
    """
    found = _read(address)
    return found is not None and any(found in network for network in wanted)


def place_of(address: str) -> str:
    """The address or the network whose clients are counted together.

    >>> place_of("192.0.2.7"), place_of("2001:db8:1:2:3:4:5:6"), place_of("::ffff:192.0.2.7"), place_of("")
    ('192.0.2.7', '2001:db8:1:2::', '192.0.2.7', '')
    """
    if ":" not in address:
        return address
    found = _read(address)
    if not isinstance(found, IPv6Address):
        return str(found or address)
    bits = found.max_prefixlen - IPV6_NETWORK_BITS
    return str(IPv6Address(int(found) >> bits << bits))


def _read(address: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that came over an IPv6 socket is one of IPv4."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
