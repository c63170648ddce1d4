"""One connection to a real Mosquitto: frames, texts, presence, and what is bounded."""

import os
import signal
import socket
import threading
import time

from edge import limits
from edge.shell import pump
from edge.shell.mqtt import NO_SENDER, Ears, Inbound
from edge.wire.frame import Channel
from tests.integration.links import DEADLINE_S, SITE, Client, Recorder, linked

# Frames


def test_every_channel_reaches_whom_it_is_for(port):
    with linked(port, 1, 2, 3) as (one, two, three):
        one.link.publish(Channel.VERTEX, 1, b"vertex")
        one.link.publish(Channel.FRONTIER, 1, b"heads")
        one.link.publish(Channel.REQUEST, 2, b"want")
        one.link.publish(Channel.REPLY, 3, b"give")
        one.link.publish(Channel.ROSTER, 1, b"roster")
        common = {
            Inbound(Channel.VERTEX, 1, b"vertex"),
            Inbound(Channel.FRONTIER, 1, b"heads"),
            Inbound(Channel.ROSTER, NO_SENDER, b"roster"),
        }
        assert set(two.frames.wait_count(4, "two")) == common | {Inbound(Channel.REQUEST, NO_SENDER, b"want")}
        assert set(three.frames.wait_count(4, "three")) == common | {Inbound(Channel.REPLY, NO_SENDER, b"give")}
        one.frames.wait_count(1, "its own roster comes back: anybody may publish it")
        assert one.frames.items() == [Inbound(Channel.ROSTER, NO_SENDER, b"roster")]
        assert one.link.counts()["echoes"] == 2


def test_what_the_broker_remembered_is_told_from_what_is_said_now(port):
    with linked(port, 1) as (one,):
        one.link.publish(Channel.FRONTIER, 1, b"before")
        with linked(port, 2) as (two,):
            remembered = Inbound(Channel.FRONTIER, 1, b"before", is_remembered=True)
            assert two.frames.wait_count(1, "what was retained") == [remembered]
            one.link.publish(Channel.FRONTIER, 1, b"now")
            assert two.frames.wait_count(2, "what is new")[1] == Inbound(Channel.FRONTIER, 1, b"now")


def test_who_keeps_only_its_own_does_not_get_vertices(port):
    with linked(port, 1) as (one,), linked(port, 2, keep_all=False) as (two,):
        one.link.publish(Channel.VERTEX, 1, b"vertex")
        one.link.publish(Channel.REQUEST, 2, b"after it")
        assert two.frames.wait_count(1, "the request") == [Inbound(Channel.REQUEST, NO_SENDER, b"after it")]


def test_who_keeps_only_its_own_gets_the_vertices_of_gateways_also_of_a_new_one(port):
    with linked(port, 1, 5, 6) as (one, five, six), linked(port, 2, keep_all=False) as (two,):
        for gateways, sender in (((5,), five), ((5, 6), six)):
            two.link.hear(gateways)
            two.link.publish(Channel.REQUEST, 2, b"behind the subscription")
            two.frames.wait_count(2 * len(gateways) - 1, "our own word to us")
            one.link.publish(Channel.VERTEX, 1, b"device")
            sender.link.publish(Channel.VERTEX, gateways[-1], b"gateway")
            two.frames.wait_count(2 * len(gateways), "the gateway's")
        vertices = [frame for frame in two.frames.items() if frame.channel is Channel.VERTEX]
        assert vertices == [Inbound(Channel.VERTEX, 5, b"gateway"), Inbound(Channel.VERTEX, 6, b"gateway")]


def test_another_site_on_the_same_broker_is_not_heard(port):
    with linked(port, 1, site="ff" * 8) as (stranger,), linked(port, 2, 3) as (two, three):
        stranger.link.publish(Channel.VERTEX, 1, b"theirs")
        three.link.publish(Channel.VERTEX, 3, b"ours")
        assert two.frames.wait_count(1, "ours") == [Inbound(Channel.VERTEX, 3, b"ours")]


def test_topics_and_sizes_that_are_not_ours_are_dropped_and_counted(port):
    with linked(port, 1, 2) as (one, two):
        publish = one.link._pump.send  # past the Link's own checks, as a stranger would
        prefix = f"synedge/1/{SITE}"
        publish(f"{prefix}/v/01", b"two spellings", retain=False)
        publish(f"{prefix}/f/-1", b"negative", retain=False)
        publish(f"{prefix}/v/9", bytes(limits.FRAME_BYTES_MAX + 1), retain=False)
        publish(f"{prefix}/v/9", bytes(limits.FRAME_BYTES_MAX), retain=False)
        assert [len(frame.payload) for frame in two.frames.wait_count(1, "the good one")] == [limits.FRAME_BYTES_MAX]
        counts = two.link.counts()
        assert (counts["dropped_malformed"], counts["dropped_oversize"], counts["frames_in"]) == (2, 1, 1)


def test_what_is_too_large_is_not_sent(port):
    with linked(port, 1) as (one,):
        assert not one.link.publish(Channel.VERTEX, 1, bytes(limits.FRAME_BYTES_MAX + 1))
        assert not one.link.publish(Channel.FRONTIER, 1, bytes(limits.FRONTIER_BYTES_MAX + 1))
        assert not one.link.publish(Channel.ROSTER, 1, bytes(limits.BROKER_PACKET_BYTES_MAX))
        assert not one.link.publish_text("x", "y" * limits.BROKER_PACKET_BYTES_MAX)
        counts = one.link.counts()
        assert (counts["dropped_oversize"], counts["frames_out"], counts["texts_out"]) == (4, 0, 0)
        assert one.link.is_up


def test_payload_bytes_and_socket_bytes_are_counted(port):
    with linked(port, 1, 2) as (one, two):
        for _ in range(10):
            one.link.publish(Channel.VERTEX, 1, bytes(5_000))
        two.frames.wait_count(10, "frames")
        sent, received = one.link.counts(), two.link.counts()
        assert (sent["frames_out"], sent["bytes_out"]) == (10, 50_000)
        assert (received["frames_in"], received["bytes_in"]) == (10, 50_000)
        assert 50_000 < sent["socket_bytes_out"] < 52_000
        assert 50_000 < received["socket_bytes_in"] < 52_000
    assert one.link.counts()["socket_bytes_out"] > 50_000, "also when it is over"


# The socket


def test_small_packets_do_not_wait_for_others(port):
    with linked(port, 1) as (one,):
        connection = one.link._client.socket()
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_what_is_no_mqtt_ends_the_connection(port):
    with linked(port, 1) as (one,):
        one.link._pump._packets._rest = b"\x30\x01x"  # as if the broker had sent it before its next packet
        one.link.publish(Channel.REQUEST, 1, b"to ourselves")
        one.states.wait(lambda states: states[-1][0] is False, "it is over")


def test_publish_writes_by_itself_when_the_connection_is_free(port, monkeypatch):
    with linked(port, 1, 2) as (one, two):
        one.link._pump.flush()
        monkeypatch.setattr(pump, "_TICK_S", 60.0)
        with monkeypatch.context() as asleep:
            asleep.setattr(one.link._pump, "wake", lambda: None)
            for _ in range(20):
                assert one.link.publish(Channel.VERTEX, 1, bytes(1_000))
            two.frames.wait_count(20, "written without the loop")


def test_publish_does_not_wait_for_whoever_listens(port):
    with linked(port, 2, 3) as (two, three):
        one = Client(port, 1)
        busy, go_on = threading.Event(), threading.Event()

        def deliver(frame: Inbound) -> None:
            busy.set()
            go_on.wait(DEADLINE_S)

        one.link._ears = Ears(deliver)
        one.up()
        try:
            two.link.publish(Channel.VERTEX, 2, b"keeps it busy")
            assert busy.wait(DEADLINE_S)
            assert one.link.publish(Channel.VERTEX, 1, b"meanwhile")
            three.frames.wait(lambda frames: Inbound(Channel.VERTEX, 1, b"meanwhile") in frames, "written at once")
        finally:
            go_on.set()
        one.link.stop()


def test_publish_leaves_it_to_the_loop_while_the_connection_is_used(port):
    with linked(port, 1, 2) as (one, two):
        with one.link._pump._io_lock:
            assert one.link.publish(Channel.VERTEX, 1, b"meanwhile")
            assert one.link._pump.queued_bytes() > 0
        two.frames.wait(lambda frames: Inbound(Channel.VERTEX, 1, b"meanwhile") in frames, "written by the loop")


def test_many_threads_publish_whole_packets(port):
    with linked(port, 1, 2) as (one, two):

        def publish(letter: bytes) -> None:
            for _ in range(200):
                assert one.link.publish(Channel.VERTEX, 1, letter * 3_000)

        threads = [threading.Thread(target=publish, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        frames = two.frames.wait_count(800, "all of them")
        assert all(len(frame.payload) == 3_000 and len(set(frame.payload)) == 1 for frame in frames)


# Texts, watches, presence


def test_watched_topics_arrive_retained_ones_at_once(port):
    with linked(port, 1, 2) as (one, two):
        one.link.publish_text("sensors/a/temp", '{"x": 1}', retain=True)
        heard = Recorder()
        two.link.watch("sensors/+/temp", lambda topic, payload: heard.add((topic, payload)))
        assert heard.wait_count(1, "the retained one") == [("sensors/a/temp", b'{"x": 1}')]
        one.link.publish_text("sensors/b/temp", "2")
        one.link.publish_text("sensors/b/other", "3")
        one.link.publish_text("sensors/c/temp", "4" * (limits.LINE_BYTES_MAX + 1))
        one.link.publish_text("sensors/d/temp", "5")
        assert heard.wait_count(3, "the others")[1:] == [("sensors/b/temp", b"2"), ("sensors/d/temp", b"5")]
        assert two.link.counts()["dropped_oversize"] == 1


def test_watches_known_before_the_connection_stand_when_it_is_up(port):
    heard = Recorder()
    with linked(port, 1) as (one,):
        two = Client(port, 2)
        two.link.watch("commands/#", lambda topic, payload: heard.add(payload))
        two.up()
        one.link.publish_text("commands/x", "go")
        assert heard.wait_count(1, "the command") == [b"go"]
        two.link.stop()


def test_presence_says_who_is_there_and_who_is_not(port):
    presence = Recorder()
    with linked(port, 1) as (watcher,):
        watcher.link.watch("synedge/n/node-2/presence", lambda topic, payload: presence.add(payload))
        two = Client(port, 2).up()
        presence.wait(lambda said: said[-1:] == [b"online"], "online")
        two.link.stop()
        presence.wait(lambda said: said[-1:] == [b"offline"], "offline, said by itself")
        three = Client(port, 2).up()
        presence.wait(lambda said: said[-1:] == [b"online"], "online again")
        three.link._client.socket().shutdown(socket.SHUT_RDWR)
        presence.wait(lambda said: said[-1:] == [b"offline"], "offline, said by its will")
        three.why_down()


def test_presence_ends_with_the_last_link(port):
    """Two connections of one node that end at one broker, as at two addresses of a cluster."""
    presence = Recorder()
    with linked(port, 1) as (watcher,):
        watcher.link.watch("synedge/n/node-2/presence", lambda topic, payload: presence.add(payload))
        first, second = Client(port, 2, client_id="first").up(), Client(port, 2, client_id="second").up()
        presence.wait(lambda said: said == [b"online"] * 2, "online, by both")
        first.link._client.socket().shutdown(socket.SHUT_RDWR)
        presence.wait(lambda said: said[2:] == [b"offline", b"online"], "the will of one, and the word of the other")
        second.link.stop()
        presence.wait(lambda said: said[4:] == [b"offline"], "offline, for both are gone")
        first.why_down()


# Brokers of members


def test_a_hosted_broker_is_told_of_and_taken_back(port):
    with linked(port, 1, 2) as (one, two):
        one.link.tell_hosted(b"here")
        two.hints.wait(lambda heard: heard == [(1, b"here")], "the hint")
        with linked(port, 3) as (late,):
            late.hints.wait(lambda heard: heard == [(1, b"here")], "retained")
        one.link.tell_hosted(b"")
        two.hints.wait(lambda heard: heard[1:] == [(1, b"")], "taken back")
        with linked(port, 4) as (later,):
            two.link.publish(Channel.REQUEST, 4, b"x")
            later.frames.wait_count(1, "what came after it")
            assert later.hints.items() == []
        assert one.hints.items() == [], "nobody is told of himself"


def test_what_an_earlier_life_hosted_is_taken_back(port):
    with linked(port, 1) as (one,):
        one.link._send(f"synedge/1/{SITE}/h/2", b"long gone", True, 64)
        one.hints.wait(lambda heard: heard == [(2, b"long gone")], "the stale hint")
        with linked(port, 2):
            one.hints.wait(lambda heard: heard[1:] == [(2, b"")], "taken back")


# Bounds


def test_the_outbox_is_bounded_and_what_is_refused_is_counted(broker, port):
    with linked(port, 1, keepalive_s=60) as (one,):
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            sent = refused = 0
            payload = bytes(60_000)
            while not refused:
                if one.link.publish(Channel.VERTEX, 1, payload):
                    sent += 1
                else:
                    refused += 1
                assert sent < 1_000, "somebody takes it all"
            assert one.link._pump.queued_bytes() <= limits.OUTBOX_BYTES_MAX
            assert one.link._pump.queued_bytes() > limits.OUTBOX_BYTES_MAX - 2 * len(payload)
            assert one.link.counts()["dropped_outbox"] == 1
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        deadline = time.monotonic() + DEADLINE_S
        while not one.link.publish(Channel.VERTEX, 1, payload):
            assert time.monotonic() < deadline, "the outbox never empties"
            time.sleep(0.01)
        assert one.link.counts()["frames_out"] == sent + 1


def test_without_a_connection_nothing_is_queued(port):
    one = Client(port, 1)
    assert not one.link.publish(Channel.VERTEX, 1, b"x")
    one.up()
    one.link.stop()
    assert not one.link.publish(Channel.VERTEX, 1, b"x")
    assert one.link.counts()["dropped_unlinked"] == 2
