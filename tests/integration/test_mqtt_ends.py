"""How a connection ends, why it never comes up, and TLS; with real brokers and with things that are none."""

import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.shell import connection
from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.mqtt import Ears, Inbound
from edge.wire.frame import Channel
from tests.integration.links import DEADLINE_S, Client, linked

# Ends


def test_a_clean_leave_is_one(port):
    with linked(port, 1) as (one,):
        pass
    assert one.states.items() == [(True, ""), (False, "left")]


def test_a_killed_broker_is_noticed_at_once(broker, port):
    with linked(port, 1, keepalive_s=60) as (one,):
        os.kill(broker.pid, signal.SIGKILL)
        assert one.why_down() == "the connection was lost"
        assert not one.link.is_up


def test_a_frozen_broker_is_noticed_by_keepalive(broker, port):
    with linked(port, 1, keepalive_s=1) as (one,):
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            assert one.why_down() == "keep alive timeout"
        finally:
            os.kill(broker.pid, signal.SIGCONT)


def test_a_broker_that_accepts_and_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = Client(silent.getsockname()[1], 1, keepalive_s=1)
        one.link.start()
        assert one.why_down() == "keep alive timeout"


def test_a_broker_that_never_answers_the_subscription_is_given_up(monkeypatch):
    monkeypatch.setattr(connection, "_UP_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as half:
        one = Client(half.getsockname()[1], 1)
        one.link.start()
        taken, _ = half.accept()
        with taken:
            taken.sendall(b"\x20\x02\x00\x00")
            assert one.why_down() == "no answer"
    assert not one.link.refused


RESET = """
import logging, queue, socket, struct, sys
from edge.shell import lean
lean.put_off()
from edge.shell.mqtt import Ears, Link, MqttOptions
logging.basicConfig(stream=sys.stderr)
said = queue.Queue()
with socket.create_server(("127.0.0.1", 0)) as rude:
    port = rude.getsockname()[1]
    who = dict(client_id="a", site="0" * 16, index=0, node="a", keep_all=True)
    options = MqttOptions(host="127.0.0.1", port=port, keepalive_s=1, **who)
    link = Link(options, Ears(lambda _: None), on_state=lambda up, reason: said.put(reason))
    link.start()
    connection, _ = rude.accept()
    connection.recv(1000)
    connection.sendall(bytes.fromhex("20020000"))
    while not connection.recv(1000).endswith(bytes.fromhex("c000")):
        pass  # with its PINGREQ it has said all that it has to say, and only reads
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
print(said.get(timeout=10))
"""


def test_a_reset_is_a_lost_connection_where_tls_was_put_off():
    """As in a device: there the names of TLS that readers catch are not classes yet."""
    done = subprocess.run([sys.executable, "-c", RESET], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("the connection was lost\n", "")


def test_nobody_there_is_a_reason():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    one = Client(port, 1)
    one.link.start()
    assert one.why_down() == "Connection refused"


def test_something_that_is_not_a_broker_is_a_reason():
    with socket.create_server(("127.0.0.1", 0)) as web:
        one = Client(web.getsockname()[1], 1, keepalive_s=1)
        one.link.start()
        connection, _ = web.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            assert one.why_down()


@pytest.mark.parametrize(("username", "password"), [("ana", "wrong"), (None, None), ("eve", "geheim")])
def test_a_refusal_is_told_from_a_failure(username, password):
    broker = HostedBroker(BrokerOptions(engine="mosquitto", username="ana", password="geheim"))
    port = broker.start().port
    try:
        one = Client(port, 1, username=username, password=password)
        one.link.start()
        assert one.why_down() == "not authorised"
        assert one.link.refused
        with linked(port, 2, username="ana", password="geheim"):
            pass
    finally:
        broker.stop()


def test_a_refused_subscription_is_a_refusal():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = Client(server.getsockname()[1], 1)
        one.link.start()
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"\x20\x02\x00\x00")
            received = b""
            while b"\x82" not in received:
                received += connection.recv(4096)
            number = received[received.rindex(b"\x82") + 2 :][:2]
            connection.sendall(b"\x90\x07" + number + b"\x00\x80\x00\x00\x00")
            assert one.why_down() == "subscription not authorised"
            assert one.link.refused


def test_a_topic_that_is_not_utf_8_does_not_end_the_connection(port):
    with linked(port, 1) as (one,):
        one.link._published(b"\xff\xfe", b"", False)
        assert one.link.counts()["dropped_malformed"] == 1
        assert one.link.is_up


def test_a_callback_of_ours_that_fails_ends_the_link_and_says_so(port, caplog):
    with linked(port, 1) as (one,):
        two = Client(port, 2)

        def deliver(frame: Inbound) -> None:
            raise RuntimeError("our own bug")

        two.link._ears = Ears(deliver)
        two.up()
        one.link.publish(Channel.VERTEX, 1, b"x")
        assert two.why_down() == "internal error"
        assert "our own bug" in caplog.text


def test_no_descriptor_outlives_its_link(port):
    with linked(port, 1):
        pass
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with linked(port, 1, 2):
            pass
    assert len(os.listdir("/proc/self/fd")) <= before


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in cert.pem and key.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tmp_path


@pytest.fixture
def tls_port(authority: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = authority / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_type error\n"
        f"certfile {authority}/cert.pem\nkeyfile {authority}/key.pem\n"
    )
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    yield port
    process.kill()
    process.wait()


def test_tls_with_a_known_authority(tls_port, authority):
    with linked(tls_port, 1, 2, tls=True, ca_file=str(authority / "cert.pem")) as (one, two):
        payload = os.urandom(60_000)
        for _ in range(20):
            one.link.publish(Channel.VERTEX, 1, payload)
        assert {frame.payload for frame in two.frames.wait_count(20, "all of them")} == {payload}


# paho 2.2 leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_with_an_unknown_authority_or_a_missing_file_says_so(tls_port):
    one = Client(tls_port, 1, tls=True)
    one.link.start()
    assert one.why_down().startswith("its certificate does not verify: self")
    two = Client(tls_port, 2, tls=True, ca_file="/nonexistent/ca.pem")
    two.link.start()
    assert two.why_down() == "No such file or directory"
