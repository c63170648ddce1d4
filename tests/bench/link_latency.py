"""How long a frame takes from publish to deliver through a hosted broker, between two processes of this machine.

    python -m tests.bench.link_latency [--engine mosquitto] [--rate 240] [--bytes 8192] [--seconds 10] [--json]

The sender writes the monotonic clock into the payload, the receiver reads it in `deliver`.
"""

import argparse
import json
import struct
import subprocess
import sys
import threading
import time
from typing import Any

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from edge.shell.mqtt import Ears, Inbound, Link, MqttOptions
from edge.wire.frame import Channel

SITE = "00" * 8


def options(port: int, index: int) -> MqttOptions:
    name = f"bench-{index}"
    return MqttOptions(
        host="127.0.0.1", port=port, client_id=name, site=SITE, index=index, node=name, keep_all=index == 2
    )


def send(port: int, rate: float, size: int, seconds: float) -> None:
    up = threading.Event()
    link = Link(options(port, 1), Ears(lambda frame: None), on_state=lambda is_up, reason: up.set())
    link.start()
    up.wait(10)
    padding = bytes(size - 8)
    start = time.monotonic_ns()
    for number in range(int(rate * seconds)):
        due = start + int(number * 1e9 / rate)
        while (left := due - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        link.publish(Channel.VERTEX, 1, struct.pack(">Q", time.monotonic_ns()) + padding)
    link.publish(Channel.VERTEX, 1, struct.pack(">Q", 0))
    link.stop(2)


def measure(engine: Any, rate: float, size: int, seconds: float) -> dict[str, Any]:
    broker = HostedBroker(BrokerOptions(engine=engine))
    hosted = broker.start()
    up, done = threading.Event(), threading.Event()
    spent: list[int] = []

    def deliver(frame: Inbound) -> None:
        now = time.monotonic_ns()
        (sent,) = struct.unpack_from(">Q", frame.payload)
        if sent == 0:
            done.set()
        else:
            spent.append(now - sent)

    link = Link(options(hosted.port, 2), Ears(deliver), on_state=lambda is_up, reason: up.set())
    link.start()
    up.wait(10)
    command = [sys.executable, "-m", "tests.bench.link_latency", "--send-to", str(hosted.port)]
    sender = subprocess.Popen([*command, "--rate", str(rate), "--bytes", str(size), "--seconds", str(seconds)])
    done.wait(seconds + 20)
    sender.wait(10)
    link.stop()
    broker.stop()
    spent.sort()
    quantile = {name: spent[min(len(spent) - 1, int(len(spent) * share))] / 1e6 for name, share in QUANTILES}
    sent = int(rate * seconds)
    return {"engine": hosted.engine, "rate": rate, "bytes": size, "sent": sent, "received": len(spent), "ms": quantile}


QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="mosquitto", choices=["mosquitto", "iotcore"])
    parser.add_argument("--rate", type=float, default=240)
    parser.add_argument("--bytes", type=int, default=8192)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--send-to", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.send_to is not None:
        return send(args.send_to, args.rate, args.bytes, args.seconds)
    result = measure(args.engine, args.rate, args.bytes, args.seconds)
    if args.json:
        print(json.dumps(result))
    else:
        times = "  ".join(f"{name} {value:.2f} ms" for name, value in result["ms"].items())
        print(
            f"{result['engine']}: {result['received']} of {result['sent']} × {args.bytes} B at {args.rate}/s: {times}"
        )


if __name__ == "__main__":
    main()
