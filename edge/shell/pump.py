"""Driving a paho client from a loop of our own, with a bounded outbox.

paho's loop thread would write everything itself: that costs a thread switch, and under load a whole turn of the
interpreter lock, per message sent. Here `send` writes at once from the calling thread when nobody is using the
connection, and wakes the loop otherwise; it never blocks. paho's outside-loop calls (loop_read, loop_write, loop_misc)
are not safe against each other, so the io lock is around every one of them; its queueing calls are.
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

from edge import limits
from edge.shell.packets import Packets

_TICK_S = 0.5
_PACKET_OVERHEAD = 64  # what a queued packet costs beside its bytes, so that empty ones are bounded too

# A cut link is noticed by the kernel within 3.5 s, however busy we are: by a probe after 1 s of silence, or 1.5 s after
# whatever was sent meanwhile. A broker that hangs is noticed by MQTT's keepalive.
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500),
)
_READ_BYTES = 256 * 1024
_TCP_INFO_BYTES_OFFSET = 120  # tcpi_bytes_acked and tcpi_bytes_received, <linux/tcp.h>
_BUSY_S = 0.0003
_BUSY_READS = 8
_GATHER_S = 0.0005
"""When more came at once after each of the last reads, a read waits a moment for more, as network cards do with their
interrupts: a read for every packet costs far more than the packet does, and a flood would take a core by that."""
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Sent(Enum):
    """What became of a packet: with the kernel or queued; dropped because too much is queued; or nobody is there."""

    TAKEN = "taken"
    FULL = "full"
    CLOSED = "closed"


class Pump:
    """`run` turns until the connection is gone; everything else may be called from any thread."""

    def __init__(self, client: Client, published: Callable[[bytes, bytes, bool], None]) -> None:
        """`published(topic, payload, is_retained)` gets what comes with QoS 0, in the thread that runs."""
        self._client = client
        self._published = published
        self._packets = Packets()
        self._read_s = 0.0
        self._busy_reads = 0
        self._for_paho = b""
        self._is_over = False
        self._io_lock = threading.Lock()
        self._outbox: deque[tuple[MQTTMessageInfo, int]] = deque()
        self._outbox_bytes = 0
        self._outbox_lock = threading.Lock()
        self._wake_lock = threading.Lock()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed_bytes = (0, 0)
        client.on_socket_open = _tune
        client.on_socket_close = self._remember_bytes
        client.on_socket_register_write = _leave_writing_to_us
        client._sock_recv = self._give_paho  # type: ignore[assignment, method-assign]  # we read; it gets what is for it

    def send(self, topic: str, payload: bytes, *, retain: bool, qos: int = 0) -> Sent:
        """Queue a PUBLISH and write what can be written. One of QoS 1 has its place until the broker has taken it."""
        size = len(payload) + len(topic) + _PACKET_OVERHEAD
        with self._outbox_lock:
            self._settle()
            # A roster is as large as all of it: it finds room beside a queue of frames, if not beside another roster.
            room = limits.OUTBOX_BYTES_MAX * (1 if size <= limits.BROKER_PACKET_BYTES_MAX // 4 else 2)
            if self._outbox_bytes + size > room:
                return Sent.FULL
            packet = self._client.publish(topic, payload, qos, retain)
            if packet.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return Sent.CLOSED
            self._outbox.append((packet, size))
            self._outbox_bytes += size
        self.flush()
        return Sent.TAKEN

    def queued_bytes(self) -> int:
        with self._outbox_lock:
            self._settle()
            return self._outbox_bytes

    def flush(self) -> None:
        """Write now if nobody is using the connection; else, or if the socket is full, leave it to the loop."""
        if self._io_lock.acquire(blocking=False):
            try:
                self._client.loop_write()
            finally:
                self._io_lock.release()
            if not self._client.want_write() and self._client.socket() is not None:
                return
        self.wake()

    def wake(self) -> None:
        # The lock keeps `close` from giving the number of the descriptor to another file under our hands.
        with self._wake_lock:
            if self._wake_fd != -1:
                os.eventfd_write(self._wake_fd, 1)

    def run(self, before_wait: Callable[[], bool]) -> None:
        """Turn until the connection is gone or `before_wait`, asked on each turn, says to stop."""
        client = self._client
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        while before_wait() and (connection := client.socket()) is not None and (fd := connection.fileno()) != -1:
            poll.register(fd, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
            pending = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
            ready = dict(poll.poll(0 if pending else _TICK_S * 1000))
            if self._wake_fd in ready:
                os.eventfd_read(self._wake_fd)
            if pending or ready.get(fd, 0) & _READABLE:
                self._gather()
                self._read(connection)
                self._read_s = time.monotonic()
            with self._io_lock:
                if client.want_write():
                    client.loop_write()
                client.loop_misc()

    def _gather(self) -> None:
        """Let more come in before the next read, if reads follow one another at once."""
        self._busy_reads = self._busy_reads + 1 if time.monotonic() - self._read_s < _BUSY_S else 0
        if self._busy_reads > _BUSY_READS:
            time.sleep(_GATHER_S)

    def _read(self, connection: Any) -> None:
        """Take what there is, and hand it out packet by packet."""
        with self._io_lock:
            try:
                data = connection.recv(_READ_BYTES)
            except OSError as error:
                # Not a clause of its own: as long as TLS is put off (lean.py) these names are no classes.
                if isinstance(error, (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)):
                    return
                data = b""
            _acknowledge(connection)
        if not data:
            self._is_over = True
            self._paho_reads(b"")
        for topic, payload, is_retained in self._packets.cut(data):
            if topic is not None:
                self._published(topic, payload, is_retained)
            else:
                self._paho_reads(payload)

    def _paho_reads(self, packet: bytes) -> None:
        with self._io_lock:
            self._for_paho = packet
            self._client.loop_read()

    def _give_paho(self, count: int) -> bytes:
        """As a socket that does not block: some bytes, or none at the end."""
        if not self._for_paho and not self._is_over:
            raise BlockingIOError
        given, self._for_paho = self._for_paho[:count], self._for_paho[count:]
        return given

    @property
    def oversize(self) -> int:
        """Packets that were too large to be kept."""
        return self._packets.oversize

    def close(self) -> None:
        """Forget the connection, however it stands. Call from the thread that ran."""
        with self._io_lock:
            connection = self._client.socket()
            if connection is not None and connection.fileno() != -1:
                self._remember_bytes(self._client, None, connection)
                connection.close()
        with self._outbox_lock:
            self._outbox.clear()
            self._outbox_bytes = 0
        with self._wake_lock:
            if self._wake_fd != -1:
                os.close(self._wake_fd)
                self._wake_fd = -1

    def socket_bytes(self) -> tuple[int, int]:
        """(received, sent and acknowledged) as the kernel counts them, TLS and keepalive included."""
        connection = self._client.socket()
        now = _tcp_bytes(connection) if connection is not None else (0, 0)
        return now[0] + self._closed_bytes[0], now[1] + self._closed_bytes[1]

    def _settle(self) -> None:
        """Forget what the kernel has; paho writes in order, so the head is always the oldest."""
        while self._outbox and self._outbox[0][0].is_published():
            self._outbox_bytes -= self._outbox.popleft()[1]

    def _remember_bytes(self, client: Client, userdata: Any, connection: Any) -> None:
        self._closed_bytes = _tcp_bytes(connection)


def _tune(client: Client, userdata: Any, connection: Any) -> None:
    for level, option, value in _SOCKET_OPTIONS:
        connection.setsockopt(level, option, value)


def _acknowledge(connection: Any) -> None:
    """A broker without TCP_NODELAY holds the next message back until the last one is acknowledged, which the kernel
    would delay by up to 40 ms. The option lasts for one delay only (tcp(7)), so it is set after every read."""
    with contextlib.suppress(OSError):  # closed by that very read
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _leave_writing_to_us(client: Client, userdata: Any, connection: Any) -> None:
    """That it is set is what matters: without it paho writes by itself, from whichever thread publishes."""


def _tcp_bytes(connection: Any) -> tuple[int, int]:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES_OFFSET + 16)
        acked, received = struct.unpack_from("=QQ", info, _TCP_INFO_BYTES_OFFSET)
    except (OSError, struct.error):
        return 0, 0
    return received, max(0, acked - 1)  # the SYN counts as one
