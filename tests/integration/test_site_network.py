"""A site of three machines: network namespaces on a switch of their own, with real multicast, cables that can be cut,
and nothing of the host's network."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.integration.links import DEADLINE_S
from tests.integration.site_process import SiteProcess
from tests.integration.test_site import exchange, meet, wait_hosts

MACHINES = 3


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


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
    """Machine n has 10.77.0.<n+1> on a switch that is a namespace too."""

    def __init__(self) -> None:
        self._tag = secrets.token_hex(3)
        self._switch = f"synedge-{self._tag}-switch"
        self.names = [f"synedge-{self._tag}-{number}" for number in range(MACHINES)]
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "switch", "type", "bridge", "mcast_snooping", "0")
        ip("-n", self._switch, "link", "set", "switch", "up")
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

    def cut(self, number: int) -> None:
        """The switch forgets the port: no carrier is lost, packets just vanish."""
        ip("-n", self._switch, "link", "set", f"port{number}", "nomaster")

    def mend(self, number: int) -> None:
        ip("-n", self._switch, "link", "set", f"port{number}", "master", "switch")

    def close(self) -> None:
        for name in (*self.names, self._switch):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def network() -> Iterator[Network]:
    if not usable():
        pytest.skip("network namespaces need root and iproute2")
    network = Network()
    yield network
    network.close()


@pytest.fixture
def members(network: Network) -> Iterator[list[SiteProcess]]:
    site = secrets.token_hex(8)
    members: list[SiteProcess] = []
    for number, name in enumerate(network.names):
        address = network.address(number)
        # The first hosts on its address, the second everywhere, told of on all it has: every way to say where.
        listen, interfaces = ("0.0.0.0", []) if number == 1 else (address, [address])
        members.append(SiteProcess(site, number, namespace=name, listen=listen, interfaces=interfaces))
        if number == 0:
            members[0].wait("up")
    yield members
    for member in members:
        member.end()


def test_machines_find_each_other_and_go_on_when_the_cable_of_the_host_is_cut(network, members):
    zero, one, two = members
    assert meet(*members).startswith("10.77.0.1:")
    wait_hosts([0], *members)
    exchange(two, zero, one, size=60_000)

    marks = one.mark(), two.mark()
    network.cut(0)
    cut_at = time.monotonic()
    one.wait("down", marks[0])
    two.wait("down", marks[1])
    assert meet(one, two).startswith("10.77.0.2:")
    exchange(two, one)
    spent_s = time.monotonic() - cut_at
    assert spent_s < DEADLINE_S, spent_s
    print(f"publishing again {spent_s:.1f} s after the cut")
    assert zero.status()["hosting"], "it cannot know, and serves those on its side"

    network.mend(0)
    meet(*members)
    wait_hosts([0], *members)
    exchange(one, zero, two)
    exchange(zero, one, two)
