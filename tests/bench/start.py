"""What a start costs: CPU of the process and all its children until READY, memory there and when zeroconf stands.

python -m tests.bench.start [--runs 10] [--json]

A device alone with one small model that hosts no broker. Processor time bears other work on the machine better than the
clock does.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from edge.shell.telemetry import figures
from tests.house.source import ROOT
from tests.house.test_process import SENSORS

SETTLE_S = 2.0
"""After READY the network parts are imported; this is long enough for them on any machine that can start in time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with TemporaryDirectory() as made:
        directory = Path(made)
        lay_out(directory)
        start(directory, settle=False)  # compiles what is not compiled yet
        ready = [start(directory, settle=False) for _ in range(args.runs)]
        whole = [start(directory, settle=True) for _ in range(args.runs)]
    found = {
        "cpu_ms_to_ready": round(median(cpu_ms for cpu_ms, _ in ready), 1),
        "rss_mb_at_ready": round(median(rss / 1e6 for _, rss in ready), 1),
        "cpu_ms_with_network": round(median(cpu_ms for cpu_ms, _ in whole), 1),
        "rss_mb_with_network": round(median(rss / 1e6 for _, rss in whole), 1),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found) if args.json else "\n".join(f"{name:20} {value:8}" for name, value in found.items()))


def lay_out(directory: Path) -> None:
    """A site of one, as `synedge init` makes it."""
    init = [sys.executable, "-m", "edge", "init", directory, "--new-site", "--name", "one"]
    subprocess.run(init, cwd=ROOT, check=True, capture_output=True)
    (directory / "one_op.tflite").write_bytes((ROOT / "edge/shell/engines/one_op.tflite").read_bytes())
    config = directory / "synedge.toml"
    config.write_text(config.read_text() + SENSORS)


def start(directory: Path, *, settle: bool) -> tuple[float, int]:
    """CPU in ms, children included, and the largest memory in bytes, of one start that ends at READY or soon after."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = directory / "notify"
        address.unlink(missing_ok=True)
        listener.bind(str(address))
        listener.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "edge", "run", "--config", directory / "synedge.toml"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        while b"READY=1" not in listener.recv(4096):
            pass
        if settle:
            time.sleep(SETTLE_S)
        rss_bytes = figures(process.pid).rss_max_bytes
        process.kill()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = -9
    return (used.ru_utime + used.ru_stime) * 1000, rss_bytes


if __name__ == "__main__":
    main()
