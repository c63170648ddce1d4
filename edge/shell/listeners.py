"""Which addresses of this machine have a listener on a TCP port, from /proc/net/tcp (proc(5))."""

import ipaddress
import sys
from pathlib import Path

_LISTEN = "0A"


def parse_listeners(table: str, port: int) -> set[str]:
    """Addresses that listen on `port` in the text of /proc/net/tcp or tcp6."""
    found = set()
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 4 or words[3] != _LISTEN:
            continue
        address, _, number = words[1].partition(":")
        if int(number, 16) == port:
            found.add(str(ipaddress.ip_address(_bytes(address))))
    return found


def _bytes(address: str) -> bytes:
    """The kernel prints each 32-bit word of an address in the byte order of the machine."""
    words = (bytes.fromhex(address[at : at + 8]) for at in range(0, len(address), 8))
    return b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)


def listening_on(port: int) -> set[str]:
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            table = Path("/proc/self/net", name).read_text()
        except OSError:
            continue
        found |= parse_listeners(table, port)
    return found
