"""What of a device's memory its imports take: RSS and private dirty pages of one process, after each of them.

python -m tests.bench.imports [--json]

The modules come in the order of a start and each is told only what it adds, so what two of them share is counted
with the first.
"""

import argparse
import json
from importlib import import_module

MODULES = (
    "edge.wire.suite",
    "edge.node",
    "edge.config",
    "edge.agent",
    "edge.shell.engines.native",
    "paho.mqtt.client",
    "edge.shell.mqtt",
    "edge.shell.site",
    "zeroconf",
)


def memory_mb() -> tuple[float, float]:
    """RSS and what of it is private and written, of this process, by smaps_rollup of proc(5)."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line.split()[0])
    rss, dirty = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("Rss", "Private_Dirty"))
    return rss, dirty


def main() -> None:
    before = memory_mb()
    steps = [("python", before)]
    lean = import_module("edge.shell.lean")
    lean.put_off()
    lean.hash_without_openssl()
    steps.append((lean.__name__, memory_mb()))
    for name in MODULES:
        import_module(name)
        steps.append((name, memory_mb()))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    last = (0.0, 0.0)
    for name, found in steps:
        rss, dirty = (round(now - was, 2) for now, was in zip(found, last, strict=True))
        rows.append({"module": name, "rss_mb": rss, "dirty_mb": dirty})
        last = found
    rows.append({"module": "all", "rss_mb": round(last[0], 2), "dirty_mb": round(last[1], 2)})
    if args.json:
        print(json.dumps(rows))
    else:
        print("\n".join(f"{row['module']:28} {row['rss_mb']:6.2f} {row['dirty_mb']:6.2f}" for row in rows))


if __name__ == "__main__":
    main()
