"""The bounds of a SiteLink that was never started: nothing connects, everything is still in its place."""

import json

import pytest

from edge import limits
from edge.shell.candidates import Target
from edge.shell.choice import Action, Connect
from edge.shell.hints import HostHint
from edge.shell.mdns import BrokerAdvert
from edge.shell.mqtt import Ears, Link
from edge.shell.site import SiteLink, SiteOptions
from edge.wire.frame import Channel


@pytest.fixture
def link() -> SiteLink:
    options = SiteOptions(site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True)
    return SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)


def test_topic_filters_are_bounded(link):
    for number in range(limits.WATCHES_MAX):
        link.watch(f"sensors/{number}", lambda topic, payload: None)
    with pytest.raises(ValueError, match=f"more than {limits.WATCHES_MAX} topic filters"):
        link.watch("one/more", lambda topic, payload: None)


def test_a_flood_of_adverts_leaves_half_of_the_queue_to_our_own_links(link):
    for number in range(limits.LINK_EVENTS_MAX):
        link._adverts._found(BrokerAdvert("127.0.0.1", 1 + number, "ab" * 8, "22" * 4, 0, f"{number:016x}"))
    assert link._events.qsize() == limits.LINK_EVENTS_MAX // 2
    assert link.counts()["hints_dropped"] == limits.LINK_EVENTS_MAX // 2


def hosted(index: int, **changes: object) -> bytes:
    hint = HostHint(f"{index:016x}", 7, 1884, ("10.0.0.1",))._asdict()
    return json.dumps({**hint, **changes}).encode()


def hear(link: SiteLink, at: Link, index: int, payload: bytes) -> list[Action]:
    """A hint from a broker, and what it leads to."""
    link._links._hinted(at, index, payload)
    return link._events.get_nowait()()


@pytest.fixture
def remote(link: SiteLink) -> Link:
    """A connection to a broker on another machine, not begun."""
    target = Target("key", "10.0.0.9", 1883, "mdns", (1, 0, ""))
    return Link(link._options.mqtt(target), Ears(lambda frame: None), on_state=lambda up, reason: None)


def test_what_a_broker_tells_of_another_one_leads_to_a_connect_and_is_taken_back(link, remote):
    (connect,) = hear(link, remote, 5, hosted(5))
    assert isinstance(connect, Connect)
    assert (connect.target.address, connect.target.origin) == ("10.0.0.1:1884", "broker")
    assert link.counts()["brokers_known"] == 1
    hear(link, remote, 6, hosted(6))
    hear(link, remote, 6, b"")
    assert link.counts()["brokers_known"] == 1


def test_malformed_hints_are_counted_and_lead_nowhere(link, remote):
    for payload in (b"x", hosted(5, port=0), hosted(5, addresses=["127.0.0.1"])):
        assert hear(link, remote, 5, payload) == []
    assert link.counts()["hints_malformed"] == 3
    assert link.counts()["brokers_known"] == 0


def test_a_flood_of_hints_is_bounded(link, remote):
    for number in range(limits.LINK_EVENTS_MAX):
        link._links._hinted(remote, number, hosted(number))
    assert link._events.qsize() == limits.LINK_EVENTS_MAX // 2
    while not link._events.empty():
        link._events.get()()
    assert len(link._hints) == limits.CANDIDATE_BROKERS_MAX
    assert link.counts()["brokers_known"] == limits.CANDIDATE_BROKERS_MAX


def test_before_the_start_nothing_is_sent_and_the_status_says_so(link):
    assert not link.publish(Channel.VERTEX, 1, b"x")
    assert link.publish_text("state", "kept", retain=True)
    assert link.counts()["dropped_unlinked"] == 1
    status = link.status()
    assert (status["connected"], status["broker"], status["hosting"]) == (False, None, False)
    assert status["reason"] == "no broker found yet"


def test_a_password_is_not_shown():
    options = SiteOptions(site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True, password="secret")
    assert "secret" not in repr(options)
    assert "secret" not in repr(options.choice()) + repr(options.broker())
