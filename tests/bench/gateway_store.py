"""How fast the SQLite store takes events of about 100 bytes: decode, rows, indexes and a synced commit; one thread.

python -m tests.bench.gateway_store [--vertices 8000] [--batch 64] [--dir DIR]
"""

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.gateway.store import Vertex
from edge.gateway.store.sqlite import SqliteStore
from edge.wire.vertex import encode_body, encode_header
from tests.unit.gateway.vertices import SITE, START_MS, event

AUTHORS = 8
EVENTS = 64


def vertices_of(heads: list[bytes | None], first: int, count: int) -> list[Vertex]:
    """Chains of eight authors, interleaved as they would arrive; signatures as large as those of ML-DSA-65."""
    vertices: list[Vertex] = []
    for i in range(first, first + count):
        author, seq = i % AUTHORS, i // AUTHORS + 1
        events = [event("bearing", START_MS + 640 * seq + 10 * k) for k in range(EVENTS)]
        body, ref = encode_body(events, os.urandom(16 * EVENTS))
        header = encode_header(
            suite=2, site=SITE, epoch=1, author=author, incarnation=1, seq=seq, prev=heads[author],
            parents=(), hlc=(START_MS + seq) << 16, body=ref,
        )  # fmt: skip
        heads[author] = header.id
        vertices.append((header.raw, os.urandom(3309), body))
    return vertices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vertices", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dir", type=Path)
    options = parser.parse_args()
    heads: list[bytes | None] = [None] * AUTHORS
    wall = cpu = 0.0
    with TemporaryDirectory(dir=options.dir) as directory:
        store = SqliteStore(Path(directory) / "gateway.db")
        for first in range(0, options.vertices, options.batch):
            vertices = vertices_of(heads, first, min(options.batch, options.vertices - first))
            began, began_cpu = time.perf_counter(), time.process_time()
            store.put_many(vertices)
            wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - began_cpu
        count = store.count()
        assert count.events == EVENTS * options.vertices
        lookup = time.perf_counter()
        for i in range(1000):
            assert store.event(i % AUTHORS, 1, 1 + i % (options.vertices // AUTHORS), i % EVENTS) is not None
        lookup = time.perf_counter() - lookup
        page = time.perf_counter()
        assert len(store.events(node=3, order="newest", limit=100)) == 100
        page = time.perf_counter() - page
        result = {
            "events": count.events,
            "batch_vertices": options.batch,
            "events_per_s": round(count.events / wall),
            "events_per_cpu_s": round(count.events / cpu),
            "bytes_per_event": round(store.stats()["bytes"] / count.events),
            "body_bytes_per_event": round(len(vertices[0][2] or b"") / EVENTS),
            "lookup_us": round(lookup * 1000),
            "newest_100_ms": round(page * 1000, 2),
        }
        store.close()
        opened = time.perf_counter()
        SqliteStore(Path(directory) / "gateway.db").close()
        result["open_ms"] = round((time.perf_counter() - opened) * 1000, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
