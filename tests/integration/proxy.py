"""A proxy between a client and a broker that delays packets and loses messages, as the kernel here cannot."""

import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PUBLISH = 3


class Proxy:
    """Listens on `port`. Of QoS 0 messages those are lost that `loses(packet)`; everything else is `delay_s` late and
    stays in order."""

    def __init__(self, broker_port: int, *, loses: Callable[[bytes], bool], delay_s: float = 0.0) -> None:
        self._broker_port = broker_port
        self._loses = loses
        self._delay_s = delay_s
        self.lost = 0
        self.passed = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                self._open += [client, broker]
                for one, other in ((client, broker), (broker, client)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    threading.Thread(target=self._read, args=(one, late), daemon=True).start()
                    threading.Thread(target=self._write, args=(other, late), daemon=True).start()

    def _read(self, source: socket.socket, late: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        with suppress(OSError), source.makefile("rb") as stream:
            while packet := _packet(stream.read):
                if packet[0] >> 4 == PUBLISH and packet[0] & 6 == 0:
                    if self._loses(packet):
                        self.lost += 1
                        continue
                    self.passed += 1
                late.put((time.monotonic() + self._delay_s, packet))
        late.put((0.0, b""))

    def _write(self, sink: socket.socket, late: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        with suppress(OSError):
            while True:
                due_s, packet = late.get()
                if not packet:
                    break
                time.sleep(max(0.0, due_s - time.monotonic()))
                sink.sendall(packet)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


def _packet(read: Callable[[int], bytes]) -> bytes:
    """One MQTT packet (OASIS MQTT 3.1.1, §2.2); empty at the end."""
    header = read(1)
    length, shift = 0, 0
    while header:
        byte = read(1)
        if not byte:
            return b""
        header += byte
        length |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            break
    body = read(length)
    return header + body if len(body) == length else b""


def share(of: float, seed: int) -> Callable[[bytes], bool]:
    """Loses that share, by chance."""
    chance = random.Random(seed)
    return lambda packet: chance.random() < of


@contextmanager
def proxies(*broker_ports: int, loses: Callable[[bytes], bool], delay_s: float = 0.0) -> Iterator[list[Proxy]]:
    opened = [Proxy(port, loses=loses, delay_s=delay_s) for port in broker_ports]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()
