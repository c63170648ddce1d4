"""Brokers behind proxies that delay and lose: what one link lacks the other brings, and what both lack is repaired."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from tests.integration.agents import field, until
from tests.integration.proxy import proxies, share
from tests.integration.site_process import SiteProcess

FRAMES = 100


@pytest.fixture
def brokers() -> Iterator[list[int]]:
    hosted = [HostedBroker(BrokerOptions(engine="mosquitto")) for _ in range(2)]
    yield [one.start().port for one in hosted]
    for one in hosted:
        one.stop()


def test_what_each_link_loses_the_other_brings_once(brokers):
    """Every second frame is lost on the one, all others on the other, which is late besides."""
    site = secrets.token_hex(8)
    with ExitStack() as stack:
        (first,) = stack.enter_context(proxies(brokers[0], loses=lambda packet: packet[-1] % 2 == 0))
        (other,) = stack.enter_context(proxies(brokers[1], loses=lambda packet: packet[-1] % 2 == 1, delay_s=0.05))
        urls = [f"mqtt://127.0.0.1:{port}" for port in brokers]
        one = SiteProcess(site, 1, urls=[f"mqtt://127.0.0.1:{proxy.port}" for proxy in (first, other)], discover=False)
        stack.callback(one.end)
        two = SiteProcess(site, 2, urls=urls, discover=False)
        stack.callback(two.end)
        for member in (one, two):
            member.events.wait(lambda events: sum(item["event"] == "up" for item in events) == 2, "two connections")
        for number in range(FRAMES):
            one.tell(do="publish", channel="v", index=1, head=f"{number:016x}")
        two.events.wait(lambda events: sum(item["event"] == "frame" for item in events) >= FRAMES, "all frames")
        heads = [int(event["head"], 16) for event in two.seen("frame")]
        assert sorted(heads) == list(range(FRAMES))
        assert first.lost >= FRAMES // 2
        assert other.lost >= FRAMES // 2


def test_agents_with_lossy_slow_links_end_with_the_same_log(tmp_path: Path, brokers):
    """A tenth of all messages is lost by each link, in each direction, repairs too; everything is 40 ms late."""
    names = ("one", "two", "three")
    with field(tmp_path, *names) as site, ExitStack() as stack:
        opened = []
        for number, node in enumerate(site):
            ways = stack.enter_context(proxies(*brokers, loses=share(0.1, number), delay_s=0.04))
            opened += ways
            urls = ", ".join(f'"mqtt://127.0.0.1:{way.port}"' for way in ways)
            node.configure(f"\n[mqtt]\nurls = [{urls}]\ndiscover = false\nhome_assistant = false\n")
            node.up()
        for node in site:
            node.waits_for(lambda status: len(status["mqtt"]["links"]) == 2, "both links")
        for value in range(0, 60, 4):
            for node in site:
                node.feed(*range(value, value + 4))
            for node in site:
                node.records_event(value + 4)
        site.agree()
        for reader in site:
            for name in names:
                assert reader.values(site.index(name)) == list(range(60)), (reader.name, name)
        assert sum(way.lost for way in opened) > 10
        until(lambda: all(node.counts()["signatures_bad"] == 0 for node in site), "no bad signature")
