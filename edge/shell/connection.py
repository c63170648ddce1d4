"""One MQTT 3.1.1 connection: it connects in a thread of its own, is up when its subscriptions stand, and ends once.

What it is for, a Link (frames and people's topics) or a VoteLine (votes alone) says. Correctness never rests on it:
what a full outbox, an oversized payload or a lost connection costs is counted, and repair mends it.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.shell.pump import Pump
from edge.shell.topics import NO_MEMBER, Place, parse_frame_topic, prefix_of, twin_topic
from edge.wire.frame import Channel

log = logging.getLogger(__name__)

NO_SENDER = NO_MEMBER
_CONNECT_TIMEOUT_S = 3.0
_UP_TIMEOUT_S = 6.0
LEAVE_TIMEOUT_S = 1.0
_FILTERS_PER_SUBSCRIBE = 8  # what AWS accepts
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
    """A frame as it came. `sender`: as its topic claims (v, c, f), else NO_SENDER; elsewhere by now if remembered."""

    channel: Channel
    sender: int
    payload: bytes
    is_remembered: bool = False


class Ears(NamedTuple):
    """Who hears what comes in, in the connection's thread; none of them may block."""

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
    "socket_bytes_in",
    "socket_bytes_out",
    "dropped_oversize",
    "dropped_malformed",
    "dropped_outbox",
    "dropped_unlinked",
    "echoes",
    "twins",
)


class Connection:
    """`_came_up` is called at most once, `_ended` exactly once and last, both in its thread."""

    def __init__(self, options: MqttOptions, ears: Ears, client_id: str, thread: str, counted: Iterable[str]) -> None:
        self.options = options
        self.peer = ""
        """Who answered: address and port, the address left out if it is one of ours."""
        self.refused = False
        """The broker speaks MQTT and said no: credentials, client id or rights are wrong."""
        self._ears = ears
        self._prefix = prefix_of(options.site)
        self._prefix_bytes = self._prefix.encode()
        self._counts: Counts = dict.fromkeys(counted, 0)
        self._accepted = False
        self._up = False
        self._reason = ""
        self._awaited: set[int] = set()  # SUBSCRIBEs whose answers make us up
        self._stopping = False
        self._leaving = False
        self._give_up_at = 0.0
        self._client = self._make_client(client_id)
        self._pump = Pump(self._client, self._published)
        self._thread = threading.Thread(target=self._run, name=thread, daemon=True)

    # What others call, from any thread

    @property
    def is_up(self) -> bool:
        return self._up

    def start(self) -> None:
        """Connect in a thread of our own; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = LEAVE_TIMEOUT_S) -> None:
        """Leave: send DISCONNECT. Waits up to `timeout_s` for it (not at all with 0)."""
        self._stopping = True
        self._pump.wake()
        if timeout_s > 0 and self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def counts(self) -> Counts:
        """Frames, payload bytes, what the kernel says went over the socket, and what was dropped and why."""
        received, sent = self._pump.socket_bytes()
        oversize = self._counts["dropped_oversize"] + self._pump.oversize
        return {**self._counts, "dropped_oversize": oversize, "socket_bytes_in": received, "socket_bytes_out": sent}

    # What it is for

    def _subscriptions(self) -> list[tuple[str, int]]:
        """Topic filters and their QoS."""
        raise NotImplementedError

    def _accept(self) -> None:
        """The broker has taken us; the subscriptions follow."""

    def _came_up(self) -> None:
        """The subscriptions stand."""

    def _each_turn(self) -> None:
        """What is due, at least every half second, until we leave."""

    def _leave(self) -> None:
        """Last words, before DISCONNECT."""

    def _ended(self, reason: str) -> None:
        """It is over, and why."""

    def _take_other(self, topic: str, payload: bytes) -> None:
        """What is no frame."""
        self._counts["dropped_malformed"] += 1

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
        self._ended("left" if self._stopping else self._reason or "the connection was lost")

    def _goes_on(self) -> bool:
        """On each turn: leave when asked to, and do not wait for ever, neither to come up nor to go."""
        if not self._stopping:
            self._each_turn()
        elif not self._leaving:
            self._leaving = True
            self._give_up_at = time.monotonic() + LEAVE_TIMEOUT_S
            if self._up:
                self._leave()
            self._client.disconnect()
        if (self._leaving or not self._up) and time.monotonic() > self._give_up_at:
            self._reason = self._reason or "no answer"
            return False
        return True

    # paho's callbacks

    def _make_client(self, client_id: str) -> Client:
        options = self.options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
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
        self._accept()
        filters = self._subscriptions()
        for at in range(0, len(filters), _FILTERS_PER_SUBSCRIBE):
            _, number = client.subscribe(filters[at : at + _FILTERS_PER_SUBSCRIBE])
            if number is not None:
                self._awaited.add(number)

    def _subscribed(self, client: Client, userdata: Any, number: int, codes: list[Any], properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self.refused = True
            self._reason = "subscription not authorised"
            client.disconnect()
            return
        self._awaited.discard(number)
        if not self._awaited and not self._up and not self._stopping:
            self._up = True
            self._came_up()

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
        return self._take_other(topic, payload)

    def _take_frame(self, name: bytes, place: Place, payload: bytes, is_remembered: bool) -> None:
        if place.is_owned and place.member == self.options.index:
            self._counts["echoes"] += 1
        elif len(payload) > place.bytes_max:
            self._counts["dropped_oversize"] += 1
        elif not self._is_twin(twin_topic(name, self._prefix_bytes, place.channel), payload):
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
