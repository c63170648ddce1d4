"""Sites of real processes that know no address: they find each other, keep two brokers, and go on when one dies."""

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


def ports(member: SiteProcess) -> list[str]:
    """Of the brokers it is connected to, best first."""
    return [link["broker"].rpartition(":")[2] for link in member.status()["links"]]


def meet(*members: SiteProcess, brokers: int = 2) -> list[str]:
    """Wait until all are at the same brokers; their ports. Their hosts may know them by another address."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = [ports(member) for member in members]
        if all(sorted(one) == sorted(found[0]) and len(one) == brokers for one in found):
            return found[0]
        assert time.monotonic() < deadline, f"they do not meet: {found}"
        time.sleep(0.02)


def hosts(*members: SiteProcess) -> list[int]:
    return [member.index for member in members if member.status()["hosting"]]


def led_by_the_first(start: Start, *indices: int, **options: Any) -> list[SiteProcess]:
    """Members at the two brokers that the first two of them host."""
    first = start(indices[0], **options)
    first.wait("up")
    second = start(indices[1], **options)
    wait_hosts(list(indices[:2]), first, second)
    members = [first, second, *(start(index, **options) for index in indices[2:])]
    meet(*members)
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


def gone(port: str) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", int(port))) != 0


def lasts(member: SiteProcess, mark: int) -> bool:
    """Whether it was connected all the time since."""
    return not member.seen("down", mark)


def test_two_processes_find_each_other_survive_the_end_of_a_host_and_a_third_joins(start):
    one, two = start(0), start(1)
    first, _ = meet(one, two)
    wait_hosts([0, 1], one, two)
    assert [host.status()["discovery"] for host in (one, two)] in (["hosted", "mdns"], ["hosted", "broker"])
    assert {link["discovery"] for link in one.status()["links"]} in ({"hosted", "mdns"}, {"hosted", "broker"})
    assert one.status()["engine"] == "mosquitto"
    exchange(one, two, size=60_000)
    exchange(two, one)

    dying = one.status()["hosted_pid"]
    mark = two.mark()
    one.kill()
    third = start(2)
    meet(two, third)
    wait_hosts([1, 2], two, third)
    exchange(third, two)
    assert lasts(two, mark), "it had the other broker"
    assert two.status()["drops"] == 1
    assert first not in ports(two)
    assert gone(first)
    assert not os.path.exists(f"/proc/{dying}") or line_in(f"/proc/{dying}/status", "State").startswith("Z")

    mark = third.mark()
    two.leave()
    meet(third, brokers=1)
    assert lasts(third, mark), "a clean leave hands over just as well"
    third.leave()


def test_a_host_that_leaves_takes_back_what_was_told_of_its_broker(start):
    site = secrets.token_hex(8)
    zero, one = led_by_the_first(start, 0, 1, site=site)
    port = one.status()["hosted"].rpartition(":")[2]
    with linked(int(port), 900, site=site) as (reader,):
        reader.hints.wait(lambda heard: {index for index, payload in heard if payload} == {0, 1}, "both hosts")
        zero.leave()
        reader.hints.wait(lambda heard: heard[-1] == (0, b""), "taken back")


def test_a_broker_that_was_killed_alone_is_replaced(start):
    zero, one = led_by_the_first(start, 0, 1)
    before = ports(zero)
    marks = zero.mark(), one.mark()
    os.kill(zero.status()["hosted_pid"], signal.SIGKILL)
    zero.wait("up", marks[0])
    wait_hosts([0, 1], zero, one)
    meet(zero, one)
    assert lasts(zero, marks[0])
    assert lasts(one, marks[1])
    assert len({*before, *ports(zero)}) == 3
    exchange(one, zero)


def test_a_frozen_host_costs_nothing_and_is_replaced(start):
    zero, one, two = led_by_the_first(start, 0, 1, 2, keepalive_s=1)
    frozen = zero.status()["hosted_pid"]
    marks = one.mark(), two.mark()
    os.kill(zero.pid, signal.SIGSTOP)
    os.kill(frozen, signal.SIGSTOP)
    try:
        exchange(one, two)
        wait_hosts([1, 2], one, two)
        meet(one, two)
        exchange(two, one)
        assert lasts(one, marks[0])
        assert lasts(two, marks[1])
    finally:
        os.kill(zero.pid, signal.SIGCONT)
        os.kill(frozen, signal.SIGCONT)
    wait_hosts([0, 1], zero, one, two)
    meet(zero, one, two)
    exchange(zero, one, two)


@pytest.mark.skipif(not os.environ.get("SYNEDGE_SLOW"), reason="waits for two timeouts; SYNEDGE_SLOW=1 runs it")
def test_a_frozen_broker_of_a_living_host_is_replaced_by_the_host(start):
    zero, one = led_by_the_first(start, 0, 1, keepalive_s=1)
    status = zero.status()
    port, frozen = status["hosted"].rpartition(":")[2], status["hosted_pid"]
    marks = zero.mark(), one.mark()
    os.kill(frozen, signal.SIGSTOP)
    exchange(zero, one)
    deadline = time.monotonic() + 2 * DEADLINE_S
    while not gone(port):
        assert time.monotonic() < deadline, zero.status()
        time.sleep(0.05)
    wait_hosts([0, 1], zero, one)
    meet(zero, one)
    exchange(one, zero)
    assert lasts(zero, marks[0])
    assert lasts(one, marks[1])


def test_a_third_host_retires_and_its_clients_follow_without_a_gap(start):
    five, seven, client = led_by_the_first(start, 5, 7, 9)
    marks = five.mark(), seven.mark(), client.mark()
    low = start(1, host="always")
    wait_hosts([1, 5], low, five, seven, client)
    meet(low, five, seven, client)
    exchange(client, low, five, seven)
    assert all(lasts(member, mark) for member, mark in zip((five, seven, client), marks, strict=True))
    assert low.status()["drops"] == 0


def test_the_second_copy_is_dropped_and_an_answer_goes_over_one_link(start):
    zero, one = led_by_the_first(start, 0, 1)
    exchange(one, zero)
    exchange(zero, one)
    before = zero.counts(), one.counts()
    mark = one.mark()
    for number in range(20):
        zero.tell(do="publish", channel="v", index=0, head=f"{number:016x}")
        zero.tell(do="publish", channel="rq", index=1, head=f"{number:016x}")
        zero.tell(do="publish", channel="rs", index=1, head=f"{number:016x}")
    for number in range(20):  # over two links none of them need be the last
        for channel in ("v", "rq", "rs"):
            one.wait("frame", mark, channel=channel, head=f"{number:016x}")
    heads = [(event["channel"], event["head"]) for event in one.seen("frame", mark)]
    assert sorted(heads) == sorted((channel, f"{number:016x}") for channel in ("rq", "rs", "v") for number in range(20))
    assert zero.counts()["frames_out"] - before[0]["frames_out"] == (2 + 2 + 1) * 20
    deadline = time.monotonic() + DEADLINE_S
    while one.counts()["twins"] - before[1]["twins"] < 2 * 20:
        assert time.monotonic() < deadline, "the second copies"


def test_another_site_is_not_joined(start):
    ours, theirs = start(0), start(1, site="0e" * 8)
    assert meet(ours, brokers=1) != meet(theirs, brokers=1)
    assert hosts(ours, theirs) == [0, 1]
    deadline = time.monotonic() + DEADLINE_S
    while ours.counts()["adverts_foreign"] < 1:
        assert time.monotonic() < deadline, "the other site's advert was never seen"
    assert ours.status()["connected"]


def test_a_configured_broker_is_used_and_nothing_is_hosted_or_told(start, broker):
    _, port = broker
    url = f"mqtt://127.0.0.1:{port}"
    zero, one = start(0, urls=[url]), start(1, urls=["mqtt://127.0.0.1:1", url, f"mqtt://localhost:{port}"])
    assert meet(zero, one, brokers=1) == [str(port)]
    assert one.status()["discovery"] == "configured"
    exchange(zero, one)
    assert hosts(zero, one) == []
    assert zero.status()["mdns"] == "off"


def test_a_list_of_brokers_is_enough_and_the_hosts_on_it_know_themselves(start):
    """The same configuration everywhere, no mDNS; two of the members host."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        chosen = [one.getsockname()[1], two.getsockname()[1]]
    urls = [f"mqtt://127.0.0.1:{port}" for port in chosen]
    members = [start(n, urls=urls, discover=False, host="always", port=port) for n, port in enumerate(chosen)]
    members.append(start(2, urls=urls, discover=False))
    assert sorted(meet(*members)) == sorted(map(str, chosen))
    exchange(members[2], *members[:2])
    exchange(members[0], *members[1:])
    assert hosts(*members) == [0, 1]


def test_a_broker_tells_of_the_other_one(start):
    """No mDNS, and a list of one: the second is learnt from the first, also by those who were there before it."""
    first = start(0, discover=False, host="always")
    first.wait("up")
    urls = [f"mqtt://127.0.0.1:{meet(first, brokers=1)[0]}"]
    early = start(2, urls=urls, discover=False)
    early.wait("up")
    second = start(1, urls=urls, discover=False, host="always")
    late = start(3, urls=urls, discover=False)
    meet(first, second, early, late)
    assert {link["discovery"] for link in late.status()["links"]} == {"configured", "broker"}
    mark = late.mark()
    first.kill()
    exchange(early, late, second)
    assert lasts(late, mark)


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
    refusals = [
        f"broker 127.0.0.1:{port} refused: not authorised; set [mqtt] username and password_file"
        for port in meet(zero, one)
    ]
    exchange(zero, one)
    two = start(2)
    deadline = time.monotonic() + DEADLINE_S
    while two.status()["reason"] not in refusals:
        assert time.monotonic() < deadline, two.status()
        time.sleep(0.02)
    assert not two.status()["hosting"], "it does not open a rival to a broker that refuses it"


def test_people_s_texts_and_watches_survive_a_change_of_brokers(start):
    zero, one = led_by_the_first(start, 0, 1)
    one.tell(do="watch", filter="commands/#")
    one.tell(do="text", topic="synedge/n/node-1/state", text="kept", retain=True)
    mark = one.mark()
    os.kill(zero.status()["hosted_pid"], signal.SIGKILL)
    one.wait("up", mark)
    (new,) = [port for port in meet(zero, one) if not one.status()["hosted"].endswith(port)]
    with linked(int(new), 900) as (reader,):
        said = Recorder()
        reader.link.watch("synedge/n/#", lambda topic, payload: said.add((topic, payload)))
        said.wait(lambda texts: ("synedge/n/node-1/state", b"kept") in texts, "the retained text, said again")
        said.wait(lambda texts: ("synedge/n/node-1/presence", b"online") in texts, "presence at the new broker")
        reader.link.publish_text("commands/x", "go")
        assert one.wait("text", mark)["text"] == "go"
        one.leave()
        said.wait(lambda texts: ("synedge/n/node-1/presence", b"offline") in texts, "a clean leave")


def test_a_text_on_both_brokers_is_heard_once(start):
    zero, one = led_by_the_first(start, 0, 1)
    before = one.counts()["twins"]
    one.tell(do="watch", filter="synedge/n/#")
    deadline = time.monotonic() + DEADLINE_S
    while one.counts()["twins"] < before + 2:
        assert time.monotonic() < deadline, "both brokers tell the presence of both"
    mark = one.mark()
    for number in range(10):
        zero.tell(do="text", topic="synedge/n/node-0/event", text=str(number % 2), retain=False)
    zero.tell(do="text", topic="synedge/n/node-0/event", text="last", retain=False)
    one.wait("text", mark, text="last")
    exchange(zero, one)
    said = [event["text"] for event in one.seen("text", mark) if event["topic"].endswith("/event")]
    assert sorted(said) == sorted([*("01" * 5), "last"])
