"""Whole agents on machines of their own: a site that is cut into halves, and what it holds when it is whole again."""

from pathlib import Path

from edge.lab.namespaces import Network
from tests.integration.agents import Field, Node, field, until
from tests.integration.network import network_of

NAMES = ("one", "two", "three", "four")


def up(site: Field, network: Network) -> None:
    """Each on its machine, where it hosts if it hosts."""
    for number, node in enumerate(site):
        address = network.address(number)
        node.configure(
            f'\n[mqtt]\ninterfaces = ["{address}"]\nhome_assistant = false\n[broker]\nlisten = "{address}"\n'
        )
        node.inside = network.inside(number)
        node.up()


def hosts(*nodes: Node) -> int:
    return sum(node.now()["mqtt"]["hosting"] for node in nodes)


def at_two(*nodes: Node) -> bool:
    """All of them are at the same two brokers."""
    ports = [[link["broker"].rpartition(":")[2] for link in node.now()["mqtt"]["links"]] for node in nodes]
    return len(ports[0]) == 2 and all(one == ports[0] for one in ports)


def test_halves_that_elected_two_brokers_each_come_back_to_two_and_nothing_is_lost(tmp_path: Path) -> None:
    with network_of(4) as network, field(tmp_path, *NAMES) as site:
        up(site, network)
        nodes = list(site)
        until(lambda: at_two(*nodes) and hosts(*nodes) == 2, "two brokers", nodes[0])
        for node in nodes:
            node.feed(1, 2)
        site.agree()

        network.move(0, 1)
        for half in (nodes[:2], nodes[2:]):
            until(lambda half=half: at_two(*half) and hosts(*half) == 2, "two brokers in each half", half[0])  # type: ignore[misc]
        for node in nodes:
            node.feed(3, 4, 5)
            node.records_event(5)
        site.agree("one", "two")
        site.agree("three", "four")
        assert nodes[0].ask("frontier") != nodes[2].ask("frontier")

        network.mend(0, 1)
        site.agree()
        until(lambda: at_two(*nodes) and hosts(*nodes) == 2, "two brokers again", nodes[0])
        for reader in nodes:
            for name in NAMES:
                assert reader.values(site.index(name)) == [1, 2, 3, 4, 5], (reader.name, name)
            assert reader.counts()["signatures_bad"] == 0
