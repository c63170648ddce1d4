"""A device process with many agents and the mesh on: memory, start and processor time.

Each agent has a network 16-32-8 of its own in a file of its own, and reads the same source; a gateway beside it hosts a
broker and takes in what the device records.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.errors import UnavailableError
from edge.lab.benches.nn_nets import WIDTHS, write_many
from edge.lab.layout import COMMIT_WINDOW_MS, CONFIG, LOG_MB, Seat, give_senses, lay_out_site
from edge.lab.process import Device, cpu_s, wait_until

READINGS = 20
INTERVAL_MS = 250
START_S = 60.0
SENSING = """
[[source]]
name = "board"
kind = "file"
path = "recording.csv"
interval_ms = {interval}

[[agent]]
name = "cell"
source = "board"
models = "cells/*.tflite"
decide = {{ kind = "argmax", softmax = true }}
"""


def measure(root: Path, agents: int) -> dict[str, Any]:
    """From the start until each agent has recorded READINGS events and the gateway is heard."""
    _, (gateway, seat) = lay_out_site(root, 1, late=False)
    give_senses(gateway, speed=1.0, start_at_ms=0)
    give_agents(seat, agents)
    host, device = (Device(each.name, each.directory) for each in (gateway, seat))
    try:
        host.start()
        _until(host, lambda: host.poll() is not None, "the gateway does not start")
        device.start()
        _until(device, lambda: device.poll() is not None and device.ready_ms, "the device does not start")
        wanted = READINGS * agents
        _until(device, lambda: _status(device)["recorded_events"] >= wanted, f"it does not record {wanted} events")
        _until(device, lambda: _status(device)["peers_online"], "the gateway is not heard")
        status = device.status
        return {
            "agents": agents,
            "ready_ms": device.ready_ms[0],
            "rss_mb": status["rss_mb"],
            "rss_mb_max": device.rss_mb_max,
            "recorded_events": status["recorded_events"],
            "shed_events": status["shed_events"],
            "cpu_s": round(cpu_s(device.pid), 2),
        }
    finally:
        for process in (device, host):
            process.terminate()
        for process in (device, host):
            process.wait(10.0)


def give_agents(seat: Seat, agents: int) -> None:
    """Write configuration, models and recording of a device with so many agents."""
    width = WIDTHS["s"][0]
    rows = [[((7 * row + 3 * field) % 100) / 50 for field in range(width)] for row in range(4 * READINGS)]
    header = ",".join(f"f{field}" for field in range(width))
    lines = [header, *(",".join(f"{value:.2f}" for value in row) for row in rows)]
    (seat.directory / "recording.csv").write_text("\n".join(lines) + "\n")
    (seat.directory / "cells").mkdir()
    write_many(seat.directory / "cells", "s", agents)
    words = (json.dumps(seat.name), json.dumps(f"{agents} agents"), json.dumps(seat.role))
    text = CONFIG.format(name=words[0], label=words[1], role=words[2], window=COMMIT_WINDOW_MS, max_mb=LOG_MB)
    seat.config.write_text(text + SENSING.format(interval=INTERVAL_MS))


def _status(device: Device) -> dict[str, Any]:
    return device.poll() or device.status


def _until(device: Device, holds: Any, otherwise: str) -> None:
    if not wait_until(holds, START_S):
        raise UnavailableError(f"{otherwise}:\n{device.last_words()}")
