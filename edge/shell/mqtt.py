"""A node's connection to one broker: frames as (channel, bytes), people's topics as text; votes on one beside it.

A Link lives once: it connects, comes up when its subscriptions stand, goes down, and is replaced by another; whether
and where to connect again is SiteLink's business. Correctness never rests on it, so everything but votes is QoS 0.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from paho.mqtt.client import topic_matches_sub

from edge import limits
from edge.shell.connection import COUNTED as OF_A_CONNECTION
from edge.shell.connection import LEAVE_TIMEOUT_S, NO_SENDER, Connection, Counts, Ears, Inbound, MqttOptions
from edge.shell.pump import Sent
from edge.shell.topics import (
    BYTES_MAX,
    RETAINED,
    frame_filters,
    frame_topic,
    host_topic,
    parse_host_topic,
    presence_of,
)
from edge.shell.votes import Votes
from edge.wire.frame import Channel

__all__ = ["COUNTED", "NO_SENDER", "Ears", "Inbound", "Link", "MqttOptions", "Watch"]

_CLAIM_AGAIN_S = 1.0
_TEXT_BYTES_MAX = limits.BROKER_PACKET_BYTES_MAX - 1024
_OF_A_LINK = (*OF_A_CONNECTION, "texts_in", "texts_out", "votes_beside")
COUNTED = (*_OF_A_LINK, "vote_connections", "vote_drops", "vote_frames_in", "vote_frames_out")


class Watch(NamedTuple):
    """A subscription of our own: `callback(topic, payload)` in the Link's thread, to enqueue and return."""

    topic_filter: str
    callback: Callable[[str, bytes], None]


class Link(Connection):
    """`on_state(True, "")` at most once; `on_state(False, reason)` exactly once and last. Both come from the Link's
    thread, as do the ears and the watches; none of them may block."""

    def __init__(
        self,
        options: MqttOptions,
        ears: Ears,
        *,
        on_state: Callable[[bool, str], None],
        watches: Iterable[Watch] = (),
    ) -> None:
        super().__init__(options, ears, options.client_id, "mqtt-link", _OF_A_LINK)
        self._on_state = on_state
        self._watches = tuple(watches)
        self._gateways: tuple[int, ...] = ()
        self._presence = presence_of(options.node)
        self._host = host_topic(self._prefix, options.index)
        self._claims = {self._presence: b"online", self._host: b""}
        self._is_contradicted = False
        self._claim_at = 0.0
        self._client.will_set(self._presence, b"offline", 1, True)
        self.votes = Votes(options, ears)

    # What others call, from any thread

    def stop(self, timeout_s: float = LEAVE_TIMEOUT_S) -> None:
        """Leave: publish `offline`, send DISCONNECT. Waits up to `timeout_s` for it (not at all with 0)."""
        self.votes.stop()
        super().stop(timeout_s)

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        """Send a frame on our own topic (v, c, f, r) or to member `index` (rq, rs, b). False: dropped and counted."""
        if channel is Channel.VOTE:
            if self._up and self.votes.publish(payload):
                return True
            channel = Channel.VERTEX  # everyone who keeps vertices hears that, on the connection that is there
            self._counts["votes_beside"] += 1
        if not self._send(frame_topic(self._prefix, channel, index), payload, channel in RETAINED, BYTES_MAX[channel]):
            return False
        self._counts["frames_out"] += 1
        self._counts["bytes_out"] += len(payload)
        return True

    def publish_text(self, topic: str, text: str, *, retain: bool = False) -> bool:
        """Send text on a topic for people. False: dropped and counted."""
        if not self._send(topic, text.encode(), retain, _TEXT_BYTES_MAX):
            return False
        self._counts["texts_out"] += 1
        return True

    def watch(self, topic_filter: str, callback: Callable[[str, bytes], None]) -> None:
        """Subscribe to more; retained messages arrive at once. Frames (synedge/1/<site>/…) cannot be watched."""
        self._watches = (*self._watches, Watch(topic_filter, callback))
        if self._client.is_connected():
            self._client.subscribe(topic_filter, 0)
            self._pump.flush()

    def hear(self, gateways: tuple[int, ...]) -> None:
        """Receive what these say, unless it is everyone's anyway."""
        before = self._filters()
        self._gateways = gateways
        wanted = self._filters()
        if self._client.is_connected():
            for name in wanted:
                if name not in before:
                    self._client.subscribe(name, 0)
            for name in before:
                if name not in wanted:
                    self._client.unsubscribe(name)
            self._pump.flush()

    def vote(self, is_wanted: bool) -> None:
        """Whether anybody votes on this site: then votes have a connection of their own, at nodes that keep
        everyone's vertices."""
        self.votes.is_wanted = is_wanted and self.options.keep_all and not self._stopping
        self._pump.wake()

    def tell_hosted(self, hint: bytes) -> None:
        """What we say about a broker of ours, retained; empty for none."""
        before = self._claims[self._host]
        self._claims = {**self._claims, self._host: hint}
        if hint != before:
            self._send(self._host, hint, True, limits.HINT_BYTES_MAX)

    def counts(self) -> Counts:
        """Those of the connection, and what votes have added to them on theirs."""
        total, votes = super().counts(), self.votes.counts()
        total |= {name: total[name] + votes[name] for name in OF_A_CONNECTION}
        beside = {"vote_frames_in": votes["frames_in"], "vote_frames_out": votes["frames_out"]}
        return {**total, **beside, **{name: votes[name] for name in ("vote_connections", "vote_drops")}}

    def _send(self, topic: str, payload: bytes, retain: bool, bytes_max: int) -> bool:
        if len(payload) > bytes_max:
            self._counts["dropped_oversize"] += 1
            return False
        sent = self._pump.send(topic, payload, retain=retain) if self._up else Sent.CLOSED
        if sent is not Sent.TAKEN:
            self._counts["dropped_outbox" if sent is Sent.FULL else "dropped_unlinked"] += 1
        return sent is Sent.TAKEN

    # The thread

    def _each_turn(self) -> None:
        if self._is_contradicted and self._up and time.monotonic() >= self._claim_at:
            self._claim()
        if self._up:
            self.votes.tick()

    def _leave(self) -> None:
        self._client.publish(self._presence, b"offline", 0, True)

    def _ended(self, reason: str) -> None:
        self.votes.stop(LEAVE_TIMEOUT_S if self._stopping else 0.0)  # fail-over does not wait for it
        self._on_state(False, reason)

    def _claim(self) -> None:
        """Say what is ours to say, retained; again when somebody else has said otherwise, once a second at most.

        That is a broker that carries out the will of an earlier connection of ours, or what an earlier life of this
        node has left there.
        """
        self._claim_at = time.monotonic() + _CLAIM_AGAIN_S
        for topic, payload in self._claims.items():
            if payload or self._is_contradicted:
                self._client.publish(topic, payload, 0, True)
        self._is_contradicted = False

    # paho's callbacks

    def _accept(self) -> None:
        self._claim()

    def _subscriptions(self) -> list[tuple[str, int]]:
        watched = dict.fromkeys(watch.topic_filter for watch in self._watches)
        return [(name, 0) for name in (self._presence, *self._filters(), *watched)]

    def _came_up(self) -> None:
        self._on_state(True, "")
        self.votes.tick()

    def _filters(self) -> list[str]:
        options = self.options
        return frame_filters(self._prefix, options.index, keep_all=options.keep_all, gateways=self._gateways)

    def _take_other(self, topic: str, payload: bytes) -> None:
        if self._claims.get(topic, payload) != payload:
            self._is_contradicted = True
        if not topic.startswith(self._prefix):
            return self._take_text(topic, payload)
        host = parse_host_topic(topic[len(self._prefix) :])
        if host is None:
            self._counts["dropped_malformed"] += 1
        elif host != self.options.index:
            self._ears.hint(host, payload)
        return None

    def _take_text(self, topic: str, payload: bytes) -> None:
        callbacks = [watch.callback for watch in self._watches if topic_matches_sub(watch.topic_filter, topic)]
        if not callbacks:
            return  # our own presence
        if len(payload) > limits.LINE_BYTES_MAX:
            self._counts["dropped_oversize"] += 1
        elif not self._is_twin(topic, payload):
            self._counts["texts_in"] += 1
            for callback in callbacks:
                callback(topic, payload)
