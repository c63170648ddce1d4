"""The connection that votes have for themselves, on a real Mosquitto."""

import socket
import threading

from edge import limits
from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.mqtt import Ears, Inbound
from edge.shell.site import SiteLink, SiteOptions
from edge.wire.frame import Channel
from tests.integration.links import DEADLINE_S, SITE, Client, Recorder, linked
from tests.integration.waiting import eventually


def voting(client: Client) -> None:
    client.link.vote(True)
    eventually(lambda: client.link.votes.is_up, "votes have a connection")


def test_without_a_committee_there_is_no_second_connection(port):
    with linked(port, 1, 2) as (one, two):
        one.link.publish(Channel.VOTE, 1, b"nobody votes")
        assert two.frames.wait_count(1, "it") == [Inbound(Channel.VERTEX, 1, b"nobody votes")], "with the rest"
        assert not one.link.votes.is_up and one.link.counts()["vote_connections"] == 0
        assert not [thread for thread in threading.enumerate() if thread.name == "mqtt-votes"]


def test_who_keeps_its_own_line_opens_none_and_hears_a_gateway_that_votes(port):
    with linked(port, 1) as (gateway,), linked(port, 2, keep_all=False) as (leaf,):
        voting(gateway)
        leaf.link.vote(True)
        leaf.link.hear((1,))
        leaf.link.publish(Channel.REQUEST, 2, b"behind the subscription")
        leaf.frames.wait_count(1, "our own word to us")
        gateway.link.publish(Channel.VOTE, 1, b"acknowledged")
        assert leaf.frames.wait_count(2, "the gateway's")[1] == Inbound(Channel.VOTE, 1, b"acknowledged")
        assert leaf.link.counts()["vote_connections"] == 0


def test_votes_travel_on_their_connection_and_come_back_to_nobody(port):
    with linked(port, 1, 2) as (one, two):
        voting(one)
        voting(two)
        assert one.link.publish(Channel.VOTE, 1, b"vote") and one.link.publish(Channel.VERTEX, 1, b"vertex")
        assert set(two.frames.wait_count(2, "both")) == {
            Inbound(Channel.VOTE, 1, b"vote"),
            Inbound(Channel.VERTEX, 1, b"vertex"),
        }
        eventually(lambda: one.link.counts()["echoes"] == 2, "its own come back to its door")
        sent, received = one.link.counts(), two.link.counts()
        assert (sent["vote_frames_out"], sent["frames_out"], sent["votes_beside"]) == (1, 2, 0)
        assert (received["vote_frames_in"], received["frames_in"]) == (1, 2)
        eventually(lambda: one.link.votes._line._pump.queued_bytes() == 0, "the broker has taken it")


def test_when_nobody_votes_any_more_the_connection_is_left(port):
    with linked(port, 1) as (one,):
        voting(one)
        one.link.vote(False)
        eventually(lambda: one.link.votes._line is None, "it is left")
        assert one.link.is_up and one.link.counts()["vote_drops"] == 0
        voting(one)
        assert one.link.counts()["vote_connections"] == 2


def test_votes_arrive_while_bulk_fills_every_queue_before_its_reader(port):
    """The reader's other connection stands still, and its queue in the broker is full: what votes are late by is none
    of that."""
    with linked(port, 1, 2) as (bulk, member):
        reader, votes, goes_on = Client(port, 3), Recorder(), threading.Event()

        def deliver(frame: Inbound) -> None:
            if frame.channel is Channel.VERTEX:
                goes_on.wait(DEADLINE_S)
            else:
                votes.add(frame)

        reader.link._ears = Ears(deliver)
        reader.link.votes._ears = Ears(deliver)
        reader.up()
        for client in (member, reader):
            voting(client)
        try:
            said = 0
            for number in range(40):
                for _ in range(2 * limits.BROKER_QUEUE_PACKETS_MAX // 40):
                    said += bulk.link.publish(Channel.VERTEX, 1, bytes(40_000))
                assert member.link.publish(Channel.VOTE, 2, b"%d" % number)
                votes.wait_count(number + 1, "the vote")
            assert said > limits.BROKER_QUEUE_PACKETS_MAX // 2, "there was bulk"
            assert [frame.payload for frame in votes.items()] == [b"%d" % number for number in range(40)]
        finally:
            goes_on.set()
            reader.link.stop()


def test_while_their_connection_is_gone_votes_go_with_the_rest_and_then_back(port):
    with linked(port, 1, 2) as (one, two):
        voting(one)
        voting(two)
        one.link.votes._line._client.socket().shutdown(socket.SHUT_RDWR)
        eventually(lambda: not one.link.votes.is_up, "it is gone")
        assert one.link.is_up and one.link.publish(Channel.VOTE, 1, b"meanwhile")
        assert two.frames.wait_count(1, "it") == [Inbound(Channel.VERTEX, 1, b"meanwhile")]
        assert one.link.counts()["votes_beside"] == 1
        eventually(lambda: one.link.votes.is_up, "there is another")
        one.link.publish(Channel.VOTE, 1, b"again")
        assert two.frames.wait_count(2, "the next")[1] == Inbound(Channel.VOTE, 1, b"again")
        assert (one.link.counts()["vote_connections"], one.link.counts()["vote_drops"]) == (2, 1)


def test_after_the_end_of_a_broker_votes_have_their_connection_to_the_next():
    heard = Recorder()
    first = HostedBroker(BrokerOptions(engine="mosquitto"))
    port = first.start().port
    options = [
        SiteOptions(
            site=SITE, index=index, node=f"n{index}", node_id=f"{index}{index}" * 32, keep_all=True,
            urls=(f"mqtt://127.0.0.1:{port}",), discover=False, host="never",
        )
        for index in (1, 2)
    ]  # fmt: skip
    one, two = (SiteLink(each, deliver=heard.add, on_state=lambda up, reason: None) for each in options)

    def stands() -> bool:
        rows = [link.status()["links"] for link in (one, two)]
        return all(len(row) == 1 and row[0]["votes"] == "connected" for row in rows)

    try:
        for link in (one, two):
            link.adopt(0, (), is_voting=True)
            link.start()
        eventually(stands, "both have a connection for votes")
        first.stop()
        eventually(lambda: not one.status()["links"] and not two.status()["links"], "nothing stands")
        second = HostedBroker(BrokerOptions(engine="mosquitto", port=port))
        second.start()
        try:
            eventually(stands, "and again")
            assert one.publish(Channel.VOTE, 1, b"vote")
            heard.wait(lambda frames: Inbound(Channel.VOTE, 1, b"vote") in frames, "the vote")
            assert one.counts()["vote_connections"] == 2
        finally:
            for link in (one, two):
                link.stop()
            second.stop()
    finally:
        for link in (one, two):
            link.stop()
        first.stop()
