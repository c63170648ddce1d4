"""The bounds of a SiteLink that was never started: nothing connects, everything is still in its place."""

import pytest

from edge import limits
from edge.shell.mdns import BrokerAdvert
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
