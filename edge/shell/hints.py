"""Which broker a member hosts, carried by brokers: for networks in which multicast does not arrive.

A host says it retained on `synedge/1/<site>/h/<index>` of every broker it is connected to, so that whoever knows one
broker learns of the other. JSON: `{"name": …, "rank": …, "port": …, "addresses": […]}`; empty when it hosts no more. A
hint like an advert: it can lead to a CONNECT and no further.
"""

import ipaddress
import json
import re
from typing import Any, NamedTuple

from edge import limits
from edge.shell.broker_config import is_loopback
from edge.shell.candidates import Found
from edge.shell.mdns import RANK_MAX, nearest_first, networks, reachable_at

_NAME = re.compile(r"[0-9a-f]{16}")


class HostHint(NamedTuple):
    """`addresses` as others reach the port. Loopback is told, and believed, on this machine's brokers only."""

    name: str
    rank: int
    port: int
    addresses: tuple[str, ...]

    @property
    def is_private(self) -> bool:
        return all(map(is_loopback, self.addresses))

    def encode(self) -> bytes:
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    def found(self) -> Found:
        """The address to try: the first in a network of ours."""
        near = nearest_first(self.addresses, networks()) if len(self.addresses) > 1 else self.addresses
        return Found(self.name, near[0], self.port, self.rank, "broker")


def own_hint(name: str, rank: int, port: int, listen: str, interfaces: tuple[str, ...]) -> HostHint:
    """What we say of our own broker."""
    addresses = reachable_at(listen, interfaces or networks())
    return HostHint(name, rank, port, tuple(addresses[: limits.HINT_ADDRESSES_MAX]))


def read_hint(payload: bytes, *, is_local: bool) -> HostHint | None:
    """What a retained message claims, None if it is malformed. `is_local`: the broker that says so is on this machine;
    addresses of loopback are believed of no other."""
    try:
        told: Any = json.loads(payload) if len(payload) <= limits.HINT_BYTES_MAX else None
        hint = HostHint(told["name"], told["rank"], told["port"], tuple(told["addresses"]))
        addresses = [str(ipaddress.ip_address(address)) for address in hint.addresses]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    fits = (
        isinstance(hint.name, str)
        and _NAME.fullmatch(hint.name)
        and type(hint.rank) is int
        and 0 <= hint.rank < RANK_MAX
        and type(hint.port) is int
        and 0 < hint.port < 65536
        and len(addresses) <= limits.HINT_ADDRESSES_MAX
        and all(isinstance(address, str) for address in hint.addresses)
    )
    usable = tuple(address for address in addresses if is_local or not is_loopback(address))
    return hint._replace(addresses=usable) if fits and usable else None
