"""A site of several machines: they find each other with and without multicast, and go on when cables are cut."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edge.lab.namespaces import Network, ip
from tests.integration.links import DEADLINE_S
from tests.integration.network import network_of
from tests.integration.site_process import SiteProcess
from tests.integration.test_site import exchange, lasts, meet, wait_hosts

Start = Callable[..., SiteProcess]
FOUND_S = 2.0 if os.environ.get("SYNEDGE_SLOW") else DEADLINE_S


@contextmanager
def members_of(network: Network) -> Iterator[Start]:
    """Starts the member of a machine, which hosts on its address if it hosts."""
    site = secrets.token_hex(8)
    members: list[SiteProcess] = []

    def start(number: int, **options: Any) -> SiteProcess:
        address = network.address(number)
        settings = {"listen": address, "interfaces": [address], **options}
        members.append(SiteProcess(site, number, namespace=network.names[number], **settings))
        return members[-1]

    try:
        yield start
    finally:
        for member in members:
            member.end()


def addresses(member: SiteProcess) -> list[str]:
    return [link["broker"].rpartition(":")[0] for link in member.status()["links"]]


@pytest.mark.parametrize("way", ["mdns", "broker"])
def test_two_machines_find_each_other_within_two_seconds(way):
    """From when both look for the site; by what the one broker tells when multicast is dropped."""
    with network_of(2) as network, members_of(network) as start:
        if way == "broker":
            network.drop_multicast()
        known = {"host": "always", "urls": [f"mqtt://{network.address(0)}"]} if way == "broker" else {}
        zero, one = start(0, port=1883), start(1, **known)
        zero.wait("started")
        one.wait("started")
        begun = time.monotonic()
        while not set(addresses(zero)) & set(addresses(one)):
            assert time.monotonic() < begun + FOUND_S, (zero.status(), one.status())
            time.sleep(0.01)
        meet(zero, one)
        exchange(zero, one)
        exchange(one, zero)
        assert {link["discovery"] for link in zero.status()["links"]} & {"mdns", "broker"}


@pytest.mark.parametrize("way", ["cut", "down", "mute"])
def test_a_host_whose_cable_is_cut_is_replaced_and_comes_back(way):
    with network_of(3) as network, members_of(network) as start:
        zero = start(0)
        zero.wait("up")
        # The second hosts everywhere, told of on all it has: every way to say where.
        one, two = start(1, listen="0.0.0.0", interfaces=[]), start(2)
        meet(zero, one, two)
        wait_hosts([0, 1], zero, one, two)
        assert addresses(two) == ["10.77.0.1", "10.77.0.2"]
        exchange(two, zero, one, size=60_000)

        marks = one.mark(), two.mark()
        getattr(network, way)(0)
        exchange(two, one)
        exchange(one, two)
        wait_hosts([1, 2], one, two)
        meet(one, two)
        exchange(two, one)
        assert lasts(one, marks[0]), "nobody was without a broker for a moment"
        assert lasts(two, marks[1])

        network.mend(0)
        wait_hosts([0, 1], zero, one, two)
        meet(zero, one, two)
        exchange(one, zero, two)
        exchange(zero, one, two)


def test_without_multicast_one_address_is_enough():
    with network_of(4) as network, members_of(network) as start:
        network.drop_multicast()
        zero = start(0, host="always", port=1883)
        zero.wait("up")
        urls = [f"mqtt://{network.address(0)}"]
        two = start(2, urls=urls, host="never")
        two.wait("up")
        one = start(1, urls=urls, host="always", port=1883)
        three = start(3, urls=urls, host="never")
        meet(zero, one, two, three)
        assert [link["discovery"] for link in three.status()["links"]] == ["configured", "broker"]
        assert zero.counts()["adverts_seen"] == 0, "multicast was not dropped"
        exchange(three, zero, one, two)

        marks = two.mark(), three.mark()
        network.cut(0)
        exchange(three, one, two)
        exchange(one, two, three)
        assert lasts(two, marks[0])
        assert lasts(three, marks[1])
        network.mend(0)
        meet(zero, one, two, three)
        exchange(zero, one, two, three)


HEARD = """import socket
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("0.0.0.0", 4711))
heard.settimeout(5)
print("listens", flush=True)
while (said := heard.recv(9)) != b"end":
    print(said.decode(), flush=True)
"""


def says(network: Network, speaker: int, hearer: int) -> list[str]:
    """What arrives of a word; the end of the conversation comes from the hearer's own machine."""
    listens = subprocess.Popen(
        [*network.inside(hearer), sys.executable, "-c", HEARD], stdout=subprocess.PIPE, text=True
    )
    assert listens.stdout is not None and listens.stdout.readline() == "listens\n"
    for machine, word in ((speaker, "hello"), (hearer, "end")):
        to = (network.address(hearer), 4711)
        code = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'{word}', {to})"
        subprocess.run([*network.inside(machine), sys.executable, "-c", code], check=True)
    return listens.communicate(timeout=10)[0].split()


def test_a_machine_can_be_muted_towards_one_other_and_nobody_is_told():
    with network_of(3) as network:
        assert says(network, 0, 1) == says(network, 1, 0) == ["hello"]
        network.mute_towards([0], [1])
        assert says(network, 0, 1) == []
        assert says(network, 1, 0) == says(network, 0, 2) == ["hello"]
        network.unmute([0], [1])
        assert says(network, 0, 1) == ["hello"]
        network.mute_towards([0], [1, 2])
        network.mend(0)
        assert says(network, 0, 1) == says(network, 0, 2) == ["hello"]


def test_the_namespaces_are_gone_afterwards():
    with network_of(2) as network:
        names = list(network.names)
        ip("-n", names[0], "link", "show", "eth0")
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, check=True, text=True).stdout
    assert not [name for name in names if name in listed]
