"""Machines of a site on one cable each: network namespaces on a switch that is a namespace too. They have real
multicast and nothing of the host's network, and every cable can be cut in several ways."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable

from edge.errors import UnavailableError

MACHINES_MAX = 250
NOBODY = "02:00:00:00:00:00"
"""A hardware address that no machine has: a switch carries it to everyone, and nobody takes it."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def check() -> None:
    """UnavailableError where there can be none."""
    if not usable():
        raise UnavailableError("network namespaces need root and iproute2, in a system that allows them")


def usable() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"synedge-{secrets.token_hex(3)}"
    try:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "switch", "type", "bridge")
    except subprocess.CalledProcessError:
        return False
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return True


class Network:
    """Machine n is 10.77.0.<n+1>."""

    def __init__(self, machines: int) -> None:
        assert 0 < machines <= MACHINES_MAX
        tag = secrets.token_hex(3)
        self._switch = f"synedge-{tag}-switch"
        self.names = [f"synedge-{tag}-{number}" for number in range(machines)]
        ip("netns", "add", self._switch)
        for name in ("switch", "other"):
            ip("-n", self._switch, "link", "add", name, "type", "bridge", "mcast_snooping", "0")
            ip("-n", self._switch, "link", "set", name, "up")
        for number, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            port = f"port{number}"
            ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
            ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")

    def address(self, number: int) -> str:
        return f"10.77.0.{number + 1}"

    def inside(self, number: int) -> tuple[str, ...]:
        """What a command line begins with that is to run on the machine."""
        return ("ip", "netns", "exec", self.names[number])

    def cut(self, number: int) -> None:
        """The switch forgets the port: no carrier is lost, packets just vanish."""
        ip("-n", self._switch, "link", "set", f"port{number}", "nomaster")

    def down(self, number: int) -> None:
        """The machine's own interface."""
        ip("-n", self.names[number], "link", "set", "eth0", "down")

    def mute(self, number: int) -> None:
        """It hears the others and they do not hear it."""
        for other in range(len(self.names)):
            if other != number:
                ip("-n", self.names[number], "route", "add", "blackhole", self.address(other))

    def mute_towards(self, speakers: Iterable[int], hearers: Iterable[int]) -> None:
        """What these say to those is lost on the way, but for multicast. Nobody is told; the other way is open."""
        to_nobody = f"lladdr {NOBODY} dev eth0 nud permanent"
        lines = "".join(f"neigh replace {self.address(one)} {to_nobody}\n" for one in hearers)
        for number in speakers:
            self._batch(self.names[number], lines)

    def unmute(self, speakers: Iterable[int], hearers: Iterable[int]) -> None:
        lines = "".join(f"neigh del {self.address(one)} dev eth0\n" for one in hearers)
        for number in speakers:
            self._batch(self.names[number], lines)

    def move(self, *numbers: int) -> None:
        """To another switch, where they have each other."""
        self._plug(numbers, "other")

    def move_back(self, *numbers: int) -> None:
        """Where everyone else is."""
        self._plug(numbers, "switch")

    def _plug(self, numbers: Iterable[int], switch: str) -> None:
        """By one command, so that it is done in a few milliseconds however many they are."""
        lines = "".join(f"link set port{number} master {switch}\n" for number in numbers)
        self._batch(self._switch, lines)

    def _batch(self, name: str, lines: str) -> None:
        command = ["ip", "-n", name, "-batch", "-"]
        subprocess.run(command, input=lines.encode(), check=True, capture_output=True)

    def mend(self, *numbers: int) -> None:
        """Whatever was done to them."""
        for number in numbers:
            name = self.names[number]
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "neigh", "flush", "nud", "permanent", "dev", "eth0")
            lines = "".join(f"route del blackhole {self.address(other)}\n" for other in range(len(self.names)))
            command = ["ip", "-n", name, "-force", "-batch", "-"]
            subprocess.run(command, input=lines.encode(), check=False, capture_output=True)
        self.move_back(*numbers)

    def drop_multicast(self) -> None:
        """As many access points do."""
        for number in range(len(self.names)):
            ip("-n", self._switch, "link", "set", f"port{number}", "type", "bridge_slave", "mcast_flood", "off")

    def close(self) -> None:
        for name in (*self.names, self._switch):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
