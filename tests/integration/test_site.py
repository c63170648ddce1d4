"""Sites of real processes that know no address: they find each other, and go on when brokers die."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.site import SiteLink, SiteOptions
from tests.integration.links import DEADLINE_S, Recorder, line_in, linked
from tests.integration.site_process import SiteProcess

Start = Callable[..., SiteProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts members of one site, unlike any other on this machine."""
    site = secrets.token_hex(8)
    members: list[SiteProcess] = []

    def start(index: int, **options: Any) -> SiteProcess:
        members.append(SiteProcess(options.pop("site", site), index, **options))
        return members[-1]

    yield start
    for member in members:
        member.end()


@pytest.fixture
def broker() -> Iterator[tuple[HostedBroker, int]]:
    """Somebody else's broker."""
    hosted = HostedBroker(BrokerOptions(engine="mosquitto"))
    yield hosted, hosted.start().port
    hosted.stop()


def meet(*members: SiteProcess) -> str:
    """Wait until all are at one broker; its address as the last of them sees it. Its host may know it by another."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        addresses = [str(member.status()["broker"]) for member in members]
        ports = {address.rpartition(":")[2] for address in addresses}
        if len(ports) == 1 and "None" not in addresses:
            return addresses[-1]
        assert time.monotonic() < deadline, f"they do not meet: {addresses}"
        time.sleep(0.02)


def hosts(*members: SiteProcess) -> list[int]:
    return [member.index for member in members if member.status()["hosting"]]


def led_by_the_first(start: Start, *indices: int, **options: Any) -> list[SiteProcess]:
    """Members at one broker, which the first of them hosts."""
    first = start(indices[0], **options)
    first.wait("up")
    members = [first, *(start(index, **options) for index in indices[1:])]
    meet(*members)
    wait_hosts([indices[0]], *members)
    return members


def wait_hosts(expected: list[int], *members: SiteProcess) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while hosts(*members) != expected:
        assert time.monotonic() < deadline, f"hosting: {hosts(*members)} instead of {expected}"
        time.sleep(0.02)


def exchange(sender: SiteProcess, *receivers: SiteProcess, size: int = 0) -> None:
    """One vertex arrives everywhere."""
    head = secrets.token_hex(8)
    marks = [receiver.mark() for receiver in receivers]
    sender.tell(do="publish", channel="v", index=sender.index, head=head, size=size)
    for receiver, mark in zip(receivers, marks, strict=True):
        frame = receiver.wait("frame", mark, head=head, sender=sender.index)
        assert frame["size"] == size + 8


def broker_pid(member: SiteProcess) -> int:
    """The broker among the children of a member."""
    for task in os.listdir(f"/proc/{member.pid}/task"):
        with open(f"/proc/{member.pid}/task/{task}/children") as children:
            for pid in children.read().split():
                return int(pid)
    raise AssertionError("no broker")


def test_two_processes_find_each_other_survive_the_end_of_the_host_and_a_third_joins(start):
    members = [start(0), start(1)]
    address = meet(*members)
    assert address.startswith("127.0.0.1:")
    (hosting,) = hosts(*members)  # usually 0, unless 1 was ready much earlier
    host, other = members[hosting], members[1 - hosting]
    assert [host.status()["discovery"], other.status()["discovery"]] == ["hosted", "mdns"]
    assert host.status()["engine"] == "mosquitto"
    exchange(host, other, size=60_000)
    exchange(other, host)

    dying = broker_pid(host)
    mark = other.mark()
    host.kill()
    other.wait("down", mark)
    other.wait("up", mark)
    assert other.status()["hosting"]
    third = start(2)
    assert meet(other, third) != address
    exchange(third, other)
    assert other.status()["drops"] == 1
    assert not os.path.exists(f"/proc/{dying}") or line_in(f"/proc/{dying}/status", "State").startswith("Z")

    mark = third.mark()
    other.leave()
    third.wait("up", mark)
    assert third.status()["hosting"], "a clean leave hands over just as well"
    third.leave()


def test_a_broker_that_was_killed_alone_is_replaced(start):
    zero, one = led_by_the_first(start, 0, 1)
    marks = zero.mark(), one.mark()
    os.kill(broker_pid(zero), signal.SIGKILL)
    zero.wait("up", marks[0])
    one.wait("up", marks[1])
    meet(zero, one)
    exchange(one, zero)


def test_a_frozen_host_is_noticed_and_replaced(start):
    zero, one, two = led_by_the_first(start, 0, 1, 2, keepalive_s=1)
    frozen = broker_pid(zero)
    marks = one.mark(), two.mark()
    os.kill(zero.pid, signal.SIGSTOP)
    os.kill(frozen, signal.SIGSTOP)
    try:
        one.wait("down", marks[0])
        two.wait("down", marks[1])
        meet(one, two)
        exchange(one, two)
    finally:
        os.kill(zero.pid, signal.SIGCONT)
        os.kill(frozen, signal.SIGCONT)
    meet(zero, one, two)
    wait_hosts([0], zero, one, two)
    exchange(zero, one, two)


def test_two_hosts_that_meet_become_one_and_clients_follow(start):
    """Started apart (each hears nobody at first), they host both; then they hear each other."""
    high, client = led_by_the_first(start, 5, 7)
    low = start(1, host="always")
    low.wait("up")
    meet(high, client, low)
    wait_hosts([1], low, high, client)
    exchange(client, low, high)
    low_counts = low.counts()
    assert low_counts["drops"] == 0


def test_another_site_is_not_joined(start):
    ours, theirs = start(0), start(1, site="0e" * 8)
    assert meet(ours) != meet(theirs)
    assert hosts(ours, theirs) == [0, 1]
    deadline = time.monotonic() + DEADLINE_S
    while ours.counts()["adverts_foreign"] < 1:
        assert time.monotonic() < deadline, "the other site's advert was never seen"
    assert ours.status()["connected"]


def test_a_configured_broker_is_used_and_nothing_is_hosted_or_told(start, broker):
    _, port = broker
    url = f"mqtt://127.0.0.1:{port}"
    zero, one = start(0, urls=[url]), start(1, urls=["mqtt://127.0.0.1:1", url], host="always")
    assert meet(zero, one) == f"127.0.0.1:{port}"
    assert one.status()["discovery"] == "configured"
    exchange(zero, one)
    assert hosts(zero, one) == []
    assert zero.status()["mdns"] == "off"


def test_a_configured_broker_that_comes_back_is_found_again(start):
    hosted = HostedBroker(BrokerOptions(engine="mosquitto"))
    port = hosted.start().port
    zero = start(0, urls=[f"mqtt://127.0.0.1:{port}"], discover=False)
    zero.wait("up")
    mark = zero.mark()
    hosted.stop()
    zero.wait("down", mark)
    again = HostedBroker(BrokerOptions(engine="mosquitto", port=port))
    again.start()
    try:
        zero.wait("up", mark)
        assert not zero.status()["hosting"]
    finally:
        again.stop()


def test_a_wrong_password_is_said_clearly_and_answered_with_nothing_else(start):
    hosted = HostedBroker(BrokerOptions(engine="mosquitto", username="ana", password="geheim"))
    port = hosted.start().port
    try:
        urls = [f"mqtt://127.0.0.1:{port}", "mqtt://127.0.0.1:1"]
        zero = start(0, urls=urls, host="always", username="ana", password="wrong")
        deadline = time.monotonic() + DEADLINE_S
        expected = f"broker 127.0.0.1:{port} refused: not authorised; set [mqtt] username and password_file"
        while zero.status()["reason"] != expected:
            assert time.monotonic() < deadline, zero.status()
            time.sleep(0.02)
        status = zero.status()
        assert (status["connected"], status["hosting"], status["broker"]) == (False, False, None)
        one = start(1, urls=[f"mqtt://ana@127.0.0.1:{port}"], password="geheim")
        one.wait("up")
    finally:
        hosted.stop()


def test_a_site_with_a_password_lets_in_who_knows_it(start):
    zero, one = start(0, username="ana", password="geheim"), start(1, username="ana", password="geheim")
    address = meet(zero, one)
    exchange(zero, one)
    two = start(2)
    deadline = time.monotonic() + DEADLINE_S
    while two.status()["reason"] != f"broker {address} refused: not authorised; set [mqtt] username and password_file":
        assert time.monotonic() < deadline, two.status()
        time.sleep(0.02)
    assert not two.status()["hosting"], "it does not open a rival to a broker that refuses it"


def test_people_s_texts_and_watches_survive_a_change_of_brokers(start):
    zero, one = led_by_the_first(start, 0, 1)
    one.tell(do="watch", filter="commands/#")
    one.tell(do="text", topic="synedge/n/node-1/state", text="kept", retain=True)
    one.tell(do="text", topic="synedge/n/node-1/event", text="gone by", retain=False)
    mark = one.mark()
    zero.kill()
    one.wait("down", mark)
    one.tell(do="text", topic="synedge/n/node-1/event", text="waited", retain=False)
    one.wait("up", mark)
    port = int(meet(one).rpartition(":")[2])
    with linked(port, 900) as (reader,):
        said = Recorder()
        reader.link.watch("synedge/n/#", lambda topic, payload: said.add((topic, payload)))
        said.wait(lambda texts: ("synedge/n/node-1/state", b"kept") in texts, "the retained text, said again")
        said.wait(lambda texts: ("synedge/n/node-1/presence", b"online") in texts, "presence at the new broker")
        reader.link.publish_text("commands/x", "go")
        assert one.wait("text", mark)["text"] == "go"
        one.leave()
        said.wait(lambda texts: ("synedge/n/node-1/presence", b"offline") in texts, "a clean leave")


def test_what_waited_is_said_to_the_new_broker():
    """The same, seen by somebody who was there first."""
    hosted = HostedBroker(BrokerOptions(engine="mosquitto"))
    port = hosted.start().port
    states = Recorder()
    options = SiteOptions(
        site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True, urls=(f"mqtt://127.0.0.1:{port}",)
    )
    link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: states.add(up))
    try:
        assert link.publish_text("synedge/n/n/event", "waited")
        with linked(port, 900) as (reader,):
            said = Recorder()
            reader.link.watch("synedge/n/#", lambda topic, payload: said.add((topic, payload)))
            link.start()
            said.wait(
                lambda texts: ("synedge/n/n/event", b"waited") in texts, "what was said before there was a broker"
            )
    finally:
        link.stop()
        hosted.stop()
    assert states.items() == [True]


def test_without_any_engine_it_says_so_and_goes_on(monkeypatch):
    from edge.shell import broker_child

    monkeypatch.setattr(broker_child.shutil, "which", lambda *args, **kwargs: None)
    options = SiteOptions(
        site=secrets.token_hex(8),
        index=1,
        node="n",
        node_id="11" * 32,
        keep_all=True,
        discover=False,
        engine="mosquitto",
    )
    link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
    link.start()
    deadline = time.monotonic() + DEADLINE_S
    while link.status()["reason"] != "no broker could be hosted on 127.0.0.1 (mosquitto: not installed)":
        assert time.monotonic() < deadline, link.status()
        time.sleep(0.02)
    link.stop()


def test_start_and_stop_return_whatever_the_network_does():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = SiteOptions(
            site=secrets.token_hex(8),
            index=1,
            node="n",
            node_id="11" * 32,
            keep_all=True,
            urls=(f"mqtt://127.0.0.1:{silent.getsockname()[1]}",),
            discover=False,
        )
        link = SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
        link.start()
        assert link.status()["connected"] is False
        silent.accept()[0].close()
        link.stop()
        assert not link._thread.is_alive()


@pytest.mark.parametrize("url", ["broker", "mqtt://a:b@host"])
def test_options_that_make_no_sense_are_refused(url):
    options = SiteOptions(site="ab" * 8, index=1, node="n", node_id="11" * 32, keep_all=True, urls=(url,))
    with pytest.raises(ValueError, match=r"mqtt://|password"):
        SiteLink(options, deliver=lambda frame: None, on_state=lambda up, reason: None)
