"""One MQTT 3.1.1 connection to one broker: frames as (channel, bytes), people's topics as text.

A Link lives once: it connects, comes up when its subscriptions stand, goes down, and is replaced by another; whether
and where to connect again is SiteLink's business. Correctness never rests on it, so everything is QoS 0:
what a full outbox, an oversized payload or a lost connection costs is counted, and repair mends it.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paho.mqtt.client import Client, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import limits
from edge.shell.pump import Pump, Sent
from edge.shell.topics import (
    BYTES_MAX,
    NO_MEMBER,
    RETAINED,
    Place,
    frame_filters,
    frame_topic,
    host_topic,
    parse_frame_topic,
    parse_host_topic,
    prefix_of,
    presence_of,
)
from edge.wire.frame import Channel

log = logging.getLogger(__name__)

NO_SENDER = NO_MEMBER
_CONNECT_TIMEOUT_S = 3.0
_UP_TIMEOUT_S = 6.0
_LEAVE_TIMEOUT_S = 1.0
_CLAIM_AGAIN_S = 1.0
_FILTERS_PER_SUBSCRIBE = 8  # what AWS accepts
_TEXT_BYTES_MAX = limits.BROKER_PACKET_BYTES_MAX - 1024
# CONNACK 1, 2, 4 and 5 as paho words them: the reason codes of MQTT 5.
_REFUSALS = {
    0x84: "unacceptable protocol version",
    0x85: "client id rejected",
    0x86: "bad user name or password",
    0x87: "not authorised",
}
_UNSPECIFIED = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """One broker, and who we are there."""

    host: str
    port: int
    client_id: str
    site: str
    """Site id, 16 hex digits."""
    index: int
    """Our index in the roster."""
    node: str
    keep_all: bool
    """Receive everyone's vertices."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    keepalive_s: int = 3


class Inbound(NamedTuple):
    """A frame as it came. `sender`: as its topic claims (v, f), else NO_SENDER; elsewhere by now if remembered."""

    channel: Channel
    sender: int
    payload: bytes
    is_remembered: bool = False


class Watch(NamedTuple):
    """A subscription of our own: `callback(topic, payload)` in the Link's thread, to enqueue and return."""

    topic_filter: str
    callback: Callable[[str, bytes], None]


class Ears(NamedTuple):
    """Who hears what comes in, in the Link's thread; none of them may block."""

    deliver: Callable[[Inbound], None]
    hint: Callable[[int, bytes], None] = lambda index, payload: None
    """The broker that a member says it hosts; empty when it does not any more."""
    is_twin: Callable[[bytes | str, bytes], bool] = lambda topic, payload: False
    """Whether another link has brought this message already."""


Counts = dict[str, int]
COUNTED = (
    "frames_in",
    "frames_out",
    "bytes_in",
    "bytes_out",
    "texts_in",
    "texts_out",
    "socket_bytes_in",
    "socket_bytes_out",
    "dropped_oversize",
    "dropped_malformed",
    "dropped_outbox",
    "dropped_unlinked",
    "echoes",
    "twins",
)


class Link:
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
        self.options = options
        self.peer = ""
        """Who answered: address and port, the address left out if it is one of ours."""
        self.refused = False
        """The broker speaks MQTT and said no: credentials, client id or rights are wrong."""
        self._ears = ears
        self._on_state = on_state
        self._watches = tuple(watches)
        self._gateways: tuple[int, ...] = ()
        self._prefix = prefix_of(options.site)
        self._prefix_bytes = self._prefix.encode()
        self._presence = presence_of(options.node)
        self._host = host_topic(self._prefix, options.index)
        self._claims = {self._presence: b"online", self._host: b""}
        self._is_contradicted = False
        self._claim_at = 0.0
        self._counts: Counts = dict.fromkeys(COUNTED, 0)
        self._accepted = False
        self._up = False
        self._reason = ""
        self._awaited: set[int] = set()  # SUBSCRIBEs whose answers make us up
        self._stopping = False
        self._leaving = False
        self._give_up_at = 0.0
        self._client = self._make_client()
        self._pump = Pump(self._client, self._published)
        self._thread = threading.Thread(target=self._run, name="mqtt-link", daemon=True)

    # What others call, from any thread

    @property
    def is_up(self) -> bool:
        return self._up

    def start(self) -> None:
        """Connect in a thread of our own; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = _LEAVE_TIMEOUT_S) -> None:
        """Leave: publish `offline`, send DISCONNECT. Waits up to `timeout_s` for it (not at all with 0)."""
        self._stopping = True
        self._pump.wake()
        if timeout_s > 0 and self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        """Send a frame on our own topic (v, f, r) or to member `index` (rq, rs). False: dropped and counted."""
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

    def tell_hosted(self, hint: bytes) -> None:
        """What we say about a broker of ours, retained; empty for none."""
        before = self._claims[self._host]
        self._claims = {**self._claims, self._host: hint}
        if hint != before:
            self._send(self._host, hint, True, limits.HINT_BYTES_MAX)

    def counts(self) -> Counts:
        """Frames, payload bytes, what the kernel says went over the socket, and what was dropped and why."""
        received, sent = self._pump.socket_bytes()
        oversize = self._counts["dropped_oversize"] + self._pump.oversize
        return {**self._counts, "dropped_oversize": oversize, "socket_bytes_in": received, "socket_bytes_out": sent}

    def _send(self, topic: str, payload: bytes, retain: bool, bytes_max: int) -> bool:
        if len(payload) > bytes_max:
            self._counts["dropped_oversize"] += 1
            return False
        sent = self._pump.send(topic, payload, retain=retain) if self._up else Sent.CLOSED
        if sent is not Sent.TAKEN:
            self._counts["dropped_outbox" if sent is Sent.FULL else "dropped_unlinked"] += 1
        return sent is Sent.TAKEN

    # The thread

    def _run(self) -> None:
        options = self.options
        try:
            if options.tls:
                self._client.tls_set(options.ca_file, options.certfile, options.keyfile)
            self._client.connect(options.host, options.port, options.keepalive_s)
        except (OSError, ValueError) as error:
            self._reason = _words_of(error)
        else:
            self._give_up_at = time.monotonic() + _UP_TIMEOUT_S
            try:
                self._pump.run(self._goes_on)
            except Exception:
                log.exception("mqtt link failed host=%s port=%d", options.host, options.port)
                self._reason = "internal error"
        self._up = False
        self._pump.close()
        self._on_state(False, "left" if self._stopping else self._reason or "the connection was lost")

    def _goes_on(self) -> bool:
        """On each turn: leave when asked to, and do not wait for ever, neither to come up nor to go."""
        if self._is_contradicted and self._up and not self._stopping and time.monotonic() >= self._claim_at:
            self._claim()
        if self._stopping and not self._leaving:
            self._leaving = True
            self._give_up_at = time.monotonic() + _LEAVE_TIMEOUT_S
            if self._up:
                self._client.publish(self._presence, b"offline", 0, True)
            self._client.disconnect()
        if (self._leaving or not self._up) and time.monotonic() > self._give_up_at:
            self._reason = self._reason or "no answer"
            return False
        return True

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

    def _make_client(self) -> Client:
        options = self.options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.will_set(self._presence, b"offline", 1, True)
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = lambda _, __, it: self._published(it._topic, bytes(it.payload), it.retain)
        return client

    def _connected(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self.refused = code.value in _REFUSALS
            self._reason = _REFUSALS.get(code.value, str(code).lower())
            return
        self._accepted = True
        self.peer = _peer_of(client.socket())
        self._claim()
        filters = [self._presence, *self._filters()]
        filters += dict.fromkeys(watch.topic_filter for watch in self._watches)
        for at in range(0, len(filters), _FILTERS_PER_SUBSCRIBE):
            _, number = client.subscribe([(name, 0) for name in filters[at : at + _FILTERS_PER_SUBSCRIBE]])
            if number is not None:
                self._awaited.add(number)

    def _filters(self) -> list[str]:
        options = self.options
        return frame_filters(self._prefix, options.index, keep_all=options.keep_all, gateways=self._gateways)

    def _subscribed(self, client: Client, userdata: Any, number: int, codes: list[Any], properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self.refused = True
            self._reason = "subscription not authorised"
            client.disconnect()
            return
        self._awaited.discard(number)
        if not self._awaited and not self._up and not self._stopping:
            self._up = True
            self._on_state(True, "")

    def _disconnected(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self._up = False
        if not self._reason:
            lost = "the connection was lost" if self._accepted else "the connection was closed before it was accepted"
            self._reason = lost if code.value == _UNSPECIFIED else str(code).lower()

    def _published(self, name: bytes, payload: bytes, is_remembered: bool) -> None:
        place = parse_frame_topic(name, self._prefix_bytes)
        if place is not None:
            return self._take_frame(name, place, payload, is_remembered)
        try:
            topic = name.decode()
        except UnicodeDecodeError:
            self._counts["dropped_malformed"] += 1
            return None
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

    def _take_frame(self, name: bytes, place: Place, payload: bytes, is_remembered: bool) -> None:
        if place.is_owned and place.member == self.options.index:
            self._counts["echoes"] += 1
        elif len(payload) > place.bytes_max:
            self._counts["dropped_oversize"] += 1
        elif not self._is_twin(name, payload):
            self._counts["frames_in"] += 1
            self._counts["bytes_in"] += len(payload)
            sender = place.member if place.is_owned else NO_SENDER
            self._ears.deliver(Inbound(place.channel, sender, payload, is_remembered))

    def _is_twin(self, topic: bytes | str, payload: bytes) -> bool:
        is_twin = self._ears.is_twin(topic, payload)
        self._counts["twins"] += is_twin
        return is_twin


def _peer_of(connection: Any) -> str:
    here, there = connection.getsockname(), connection.getpeername()
    return f"{'' if here[0] == there[0] else there[0]}:{there[1]}"


def _words_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
