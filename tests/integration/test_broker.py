"""The hosted broker: real Mosquitto and real rumqttd, as children that end with us."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import limits
from edge.errors import UnavailableError
from edge.shell import broker as broker_module
from edge.shell import broker_child, probe
from edge.shell.broker import Hosted, HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.listeners import listening_on
from edge.shell.packets import Packets
from edge.wire.frame import Channel
from tests.integration.links import DEADLINE_S, Recorder, line_in, linked

ENGINES = ["mosquitto", "iotcore"]


def hosted(**options: object) -> tuple[HostedBroker, Hosted, Recorder]:
    ends = Recorder()
    broker = HostedBroker(BrokerOptions(**options), on_exit=ends.add)  # type: ignore[arg-type]
    return broker, broker.start(), ends


def ask(address: Hosted, username: str | None = None, password: str | None = None) -> probe.Answer:
    return probe.ask(
        address.host, address.port, client_id="test", username=username, password=password, timeout_s=DEADLINE_S
    )


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def running(engine: str) -> Iterator[tuple[HostedBroker, Hosted]]:
    broker, address, _ = hosted(engine=engine)
    yield broker, address
    broker.stop()
    assert not broker.is_alive()


def gone(pid: int) -> bool:
    """Ended; a zombie that nobody has waited for yet counts."""
    try:
        return line_in(f"/proc/{pid}/status", "State").startswith("Z")
    except FileNotFoundError:
        return True


def wait_until(satisfied, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not satisfied():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_it_answers_where_it_says_and_nowhere_else(running, engine):
    broker, address = running
    assert (address.host, address.engine) == ("127.0.0.1", engine)
    assert ask(address) == probe.Answer(True, False, "")
    assert listening_on(address.port) == {"127.0.0.1"}
    assert broker.is_alive()


def test_it_runs_unprivileged(running):
    broker, _ = running
    uids = set(line_in(f"/proc/{broker.pid}/status", "Uid").split())
    assert uids == ({str(os.getuid())} if os.getuid() != 0 else uids - {"0"})
    assert line_in(f"/proc/{broker.pid}/status", "NoNewPrivs") == "1"


def test_once_stopped_nobody_listens_and_nobody_is_told(engine):
    broker, address, ends = hosted(engine=engine)
    broker.stop()
    broker.stop()
    assert not broker.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port), timeout=DEADLINE_S)
    assert ends.items() == []


def test_a_large_vertex_and_a_roster_pass(running):
    _, address = running
    vertex, roster = os.urandom(60_000), os.urandom(1_500_000)
    with linked(address.port, 1, 2) as (one, two):
        assert one.link.publish(Channel.VERTEX, 1, vertex)
        assert one.link.publish(Channel.ROSTER, 0, roster)
        frames = two.frames.wait_count(2, "vertex and roster arrive")
        assert [(frame.channel, frame.payload) for frame in frames] == [
            (Channel.VERTEX, vertex),
            (Channel.ROSTER, roster),
        ]


def test_retained_hints_reach_who_comes_later(running):
    _, address = running
    with linked(address.port, 1) as (one,):
        one.link.publish(Channel.FRONTIER, 1, b"old")
        one.link.publish(Channel.FRONTIER, 1, b"heads")
        one.link.publish(Channel.VERTEX, 1, b"passing")
        with linked(address.port, 2) as (two,):
            assert two.frames.wait_count(1, "the hint")[0] == (Channel.FRONTIER, 1, b"heads", True)


@pytest.mark.parametrize("password", ["geheim", 'p:$ä"\\'])
def test_with_credentials_only_those_who_know_them_come_in(engine, password):
    broker, address, _ = hosted(engine=engine, username="ana", password=password)
    try:
        assert ask(address, "ana", password).accepted
        assert not ask(address).accepted
        wrong = ask(address, "ana", "wrong")
        assert not wrong.accepted
        if engine == "mosquitto":
            assert wrong == probe.Answer(False, True, "not authorised")
            assert password not in Path(f"/proc/{broker.pid}/cmdline").read_text()
    finally:
        broker.stop()


PARENT = """
import sys, threading
from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
broker = HostedBroker(BrokerOptions(engine=sys.argv[1]))
started = threading.Thread(target=lambda: print(broker.start().port, broker.pid, flush=True))
started.start()
started.join()
sys.stdin.read()
"""


def test_it_dies_with_a_parent_that_was_killed_and_not_with_the_thread_that_started_it(engine):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        port, pid = (int(word) for word in parent.stdout.readline().split())
        # The thread that called start() has ended by now, and the broker lives.
        assert ask(Hosted("127.0.0.1", port, "mosquitto")).accepted
        parent.kill()
    wait_until(lambda: gone(pid), "the broker outlives its parent")
    wait_until(lambda: not listening_on(port), "somebody still listens")


def test_a_child_whose_parent_is_gone_already_does_not_start():
    command = [sys.executable, "-m", "edge.shell.child", "1", "-1", "-1", "/bin/echo", "alive"]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_S)
    assert (ended.returncode, ended.stdout) == (75, b"")


def test_its_end_is_reported_with_what_it_said_last(engine):
    broker, _, ends = hosted(engine=engine)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    assert ends.wait_count(1, "the end is reported") == ["ended with code -9"]
    assert not broker.is_alive()


def test_a_port_that_is_taken_is_left_alone(engine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}: Address already in use"):
            HostedBroker(BrokerOptions(engine=engine, port=port)).start()  # type: ignore[arg-type]


def test_an_address_that_is_not_ours_is_refused(engine):
    with pytest.raises(UnavailableError, match="Cannot assign requested address"):
        HostedBroker(BrokerOptions(engine=engine, listen="203.0.113.9")).start()  # type: ignore[arg-type]


def test_without_mosquitto_iotcore_takes_over(monkeypatch):
    monkeypatch.setattr(broker_child.shutil, "which", lambda *args, **kwargs: None)
    broker, address, _ = hosted(engine="auto")
    broker.stop()
    assert address.engine == "iotcore"
    with pytest.raises(UnavailableError, match="mosquitto: not installed"):
        HostedBroker(BrokerOptions(engine="mosquitto")).start()


def test_a_broker_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(broker_child, "mosquitto_config", lambda *args: "listener nonsense\n")
    with pytest.raises(UnavailableError, match=r"mosquitto: .*[Ee]rror.*"):
        HostedBroker(BrokerOptions(engine="mosquitto")).start()


def test_one_that_would_listen_on_more_than_it_was_told_is_refused(engine, monkeypatch):
    everywhere = broker_child.rumqttd_config(BrokerOptions(listen="0.0.0.0"), 18_830)
    monkeypatch.setattr(broker_child, "rumqttd_config", lambda *args: everywhere)
    monkeypatch.setattr(broker_module, "listening_on", lambda port: {"127.0.0.1", "0.0.0.0"})
    with pytest.raises(UnavailableError) as refused:
        HostedBroker(BrokerOptions(engine=engine)).start()  # type: ignore[arg-type]
    assert "0.0.0.0" in str(refused.value)
    if engine == "iotcore":
        assert "would listen on 0.0.0.0:18830 instead of 127.0.0.1" in str(refused.value)


def test_mosquitto_cuts_off_who_sends_more_than_a_packet_may_hold():
    broker, address, _ = hosted(engine="mosquitto")
    try:
        with socket.create_connection((address.host, address.port), timeout=DEADLINE_S) as connection:
            connection.sendall(probe.connect_packet("big", None, None))
            assert connection.recv(4) == b"\x20\x02\x00\x00"
            size = limits.BROKER_PACKET_BYTES_MAX + 1
            length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21])
            connection.sendall(b"\x30" + length + b"\x00\x01x")
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert ask(address).accepted, "the others stay"
    finally:
        broker.stop()


def connected(address: Hosted, name: str) -> socket.socket:
    """A bare MQTT client without keepalive."""
    connection = socket.create_connection((address.host, address.port), timeout=DEADLINE_S)
    try:
        connection.sendall(probe.connect_packet(name, None, None).replace(b"\x00\x05\x00", b"\x00\x00\x00", 1))
        assert connection.recv(4) == b"\x20\x02\x00\x00"
    except BaseException:
        connection.close()
        raise
    return connection


def resident_bytes(broker: HostedBroker) -> int:
    return int(line_in(f"/proc/{broker.pid}/status", "VmRSS").split()[0]) * 1024


def everything_for(client: socket.socket) -> list[bytes]:
    """The payloads that the broker still has for a client, until the answer to a ping comes with nothing before it.
    A full queue drops the answer to a ping like anything else: it is asked again until it is answered."""
    packets, payloads, said = Packets(), list[bytes](), -1
    client.settimeout(1)
    for _ in range(int(DEADLINE_S)):
        client.sendall(b"\xc0\x00")
        with contextlib.suppress(TimeoutError):
            answered = False
            while not answered:
                for topic, packet, _ in packets.cut(client.recv(1 << 20)):
                    if topic is None:
                        assert packet == b"\xd0\x00"
                        answered = True
                    else:
                        payloads.append(packet)
            if said == len(payloads):
                return payloads
            said = len(payloads)
    raise AssertionError(f"no ping was answered alone; {len(payloads)} packets came")


def test_mosquitto_drops_for_a_client_that_does_not_read_instead_of_growing():
    broker, address, _ = hosted(engine="mosquitto")
    try:
        with connected(address, "sleeper") as sleeper, connected(address, "sender") as sender:
            sleeper.sendall(b"\x82\x06\x00\x01\x00\x01x\x00")
            assert sleeper.recv(5) == b"\x90\x03\x00\x01\x00"
            packet = b"\x30\x83\x40\x00\x01x" + bytes(8192)
            said = 12_000  # 100 MB
            for _ in range(said):
                sender.sendall(packet)
            sender.sendall(b"\xc0\x00")
            assert sender.recv(2) == b"\xd0\x00", "everything before the ping has been dealt with"
            assert resident_bytes(broker) < 40_000_000
            kept = len(everything_for(sleeper))
            # What the kernel had room for before the queue began.
            assert limits.BROKER_QUEUE_PACKETS_MAX <= kept < limits.BROKER_QUEUE_PACKETS_MAX + said // 4
    finally:
        broker.stop()


def test_mosquitto_grows_no_further_than_its_bound_whatever_is_retained():
    broker, address, _ = hosted(engine="mosquitto")
    payload = bytes(limits.BROKER_PACKET_BYTES_MAX - 64)
    length = len(payload) + 6
    head = b"\x31" + bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14 & 127 | 128, length >> 21])
    try:
        with connected(address, "hoarder") as hoarder, contextlib.suppress(ConnectionError):
            for number in range(2 * limits.BROKER_MEMORY_BYTES_MAX // len(payload)):
                hoarder.sendall(head + b"\x00\x04" + b"%04d" % number + payload)
            hoarder.sendall(b"\xc0\x00")
            hoarder.recv(2)
        grown = resident_bytes(broker)
        assert limits.BROKER_MEMORY_BYTES_MAX // 2 < grown < 1.1 * limits.BROKER_MEMORY_BYTES_MAX + 20_000_000
        assert not gone(broker.pid), "it goes on"
    finally:
        broker.stop()


def test_mosquitto_takes_only_so_many_clients():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * limits.BROKER_CLIENTS_MAX + 512
    if hard < wanted:
        pytest.skip(f"needs {wanted} open files, this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    broker, address, _ = hosted(engine="mosquitto")
    clients: list[socket.socket] = []
    try:
        with contextlib.suppress(AssertionError, OSError):
            while len(clients) < limits.BROKER_CLIENTS_MAX + 50:
                clients.append(connected(address, f"client-{len(clients)}"))
        assert limits.BROKER_CLIENTS_MAX <= len(clients) <= limits.BROKER_CLIENTS_MAX + 1  # Mosquitto counts from 0
        clients.pop().close()
        wait_until(lambda: ask(address).accepted, "one that leaves makes room for another")
    finally:
        for client in clients:
            client.close()
        broker.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_largest_roster_reaches_who_is_there_and_who_comes_later(running):
    """Retained, and again while others keep talking."""
    roster = bytes(range(256)) * (limits.ROSTER_BYTES_MAX // 256)
    assert len(roster) > limits.ROSTER_BYTES_MAX - 256
    port = running[1].port
    with linked(port, 1, 2) as (one, two):
        for number in range(50):
            one.link.publish(Channel.VERTEX, 1, bytes(1000) + bytes([number]))
        assert one.link.publish(Channel.ROSTER, 1, roster)
        (got,) = two.frames.wait(lambda frames: [one for one in frames if one.channel is Channel.ROSTER], "the roster")
        assert got.payload == roster
        with linked(port, 3) as (late,):
            assert late.frames.wait_count(1, "the retained one")[0].payload == roster
