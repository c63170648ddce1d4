"""Large files between real agents over a real broker: kills, stops, resuming, and the commands of the manual."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.limits import BLOB_CHUNK_BYTES, BLOB_FLIGHT_CHUNKS
from tests.house.source import ROOT
from tests.integration.agents import DEADLINE_S, Field, Node, at, broker, field, until

SIZE = 5_000_000
MANUAL = re.compile(r"^## Large files\n.*?^```sh\n(.*?)^```", re.M | re.S)


def synedge(node: Node, *words: str, code: int = 0) -> dict[str, Any]:
    """`synedge … --json` on a device: what it says on stdout, or on stderr when it is to fail."""
    command = [sys.executable, "-m", "edge", *words, "--config", str(node.directory / "synedge.toml"), "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=node.directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, (done.stdout, done.stderr, node.last_words(15))
    said: dict[str, Any] = json.loads(done.stdout if code == 0 else done.stderr)
    return said


def up(site: Field, port: int, *names: str) -> None:
    for name in names:
        site[name].configure(at(port), sensor=False)
        site[name].up()


def coming(node: Node) -> list[dict[str, Any]]:
    return [row for row in (node.ask("blobs") or {"blobs": []})["blobs"] if row["state"] != "kept"]


def chunks_here(node: Node) -> int:
    rows = coming(node)
    return rows[0]["chunks"] - rows[0]["chunks_missing"] if rows and rows[0]["chunks"] else 0


def served(node: Node) -> int:
    return int(node.counts()["blob_served_bytes"])


@contextmanager
def bytes_to(port: int, site: Field, name: str) -> Iterator[Callable[[], int]]:
    """What the broker carries of blobs to a member, listened to beside it."""
    sizes: list[int] = []
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: sizes.append(len(message.payload))
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda *_: client.subscribe(f"synedge/1/{site.site.roster.site.hex()}/b/{site.index(name)}")
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(DEADLINE_S)
    try:
        yield lambda: sum(sizes)
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_blob_survives_the_kill_of_its_receiver_and_the_end_of_its_server(tmp_path: Path) -> None:
    data = Random(7).randbytes(SIZE)
    with (
        broker() as port,
        field(tmp_path, "one", "two", "three") as site,
        bytes_to(port, site, "three") as bytes_sent,
    ):
        one, two, three = site
        up(site, port, "one", "two")
        (one.directory / "model.bin").write_bytes(data)
        digest = synedge(one, "blobs", "add", "model.bin")["sha256"]
        synedge(two, "blobs", "get", digest)
        assert (two.data / "blobs" / digest).read_bytes() == data

        up(site, port, "three")
        synedge(three, "blobs", "get", digest, "--wait", "0", code=75)
        until(lambda: chunks_here(three) >= 20, "some of it has come", three)
        three.kill()
        three.up()
        until(lambda: chunks_here(three) >= 20, "it goes on where it was", three)
        resumed = {node: served(node) for node in (one, two)}
        until(
            lambda: any(served(node) > resumed[node] + 4 * BLOB_CHUNK_BYTES for node in resumed), "it is served", three
        )
        first, other = sorted(resumed, key=lambda node: resumed[node] - served(node))
        taken = served(other)
        assert first.down() == 0
        assert synedge(three, "blobs", "get", digest, "--out", "model.bin")["bytes"] == SIZE
        assert (three.directory / "model.bin").read_bytes() == data
        assert not coming(three)

        in_flight = 2 * BLOB_FLIGHT_CHUNKS * BLOB_CHUNK_BYTES  # at the kill, and at the stop
        assert SIZE < bytes_sent() <= 1.1 * SIZE + in_flight
        assert served(other) > taken + SIZE / 10, "the other one went on"
        assert three.counts()["blob_chunks_wrong"] == 0
        synedge(three, "blobs", "rm", digest)
        until(lambda: not list((three.data / "blobs").iterdir()), "nothing is left of it", three)


def test_the_commands_of_the_manual_copy_a_model_to_another_device(tmp_path: Path) -> None:
    match = MANUAL.search((ROOT / "docs/OPERATING.md").read_text())
    assert match is not None
    lines = [shlex.split(line, comments=True)[1:] for line in match[1].splitlines() if line.startswith("synedge ")]
    assert [line[:2] for line in lines] == [["blobs", "add"], ["blobs", "get"], ["blobs", "list"]]
    model = (ROOT / "tests/data/one_op.tflite").read_bytes() if (ROOT / "tests/data").exists() else b"model" * 20_000
    with broker() as port, field(tmp_path, "pump-7", "valve-2") as site:
        up(site, port, "pump-7", "valve-2")
        (site["pump-7"].directory / lines[0][2]).write_bytes(model)
        digest = synedge(site["pump-7"], *lines[0])["sha256"]
        synedge(site["valve-2"], *[digest if len(word) == 64 else word for word in lines[1]])
        assert (site["valve-2"].directory / lines[1][-1]).read_bytes() == model
        (row,) = synedge(site["valve-2"], *lines[2])["blobs"]
        assert (row["sha256"], row["state"], row["added_here"]) == (digest, "kept", False)
        (row,) = synedge(site["pump-7"], *lines[2])["blobs"]
        assert row["added_here"] is True


def test_what_cannot_be_added_or_got_is_said(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one") as site:
        one = site["one"]
        one.configure(at(port), sensor=False)
        assert "the agent does not run" in synedge(one, "blobs", "list", code=69)["error"]["message"]
        one.up()
        (one.directory / "empty").touch()
        assert "is empty" in synedge(one, "blobs", "add", "empty", code=65)["error"]["message"]
        assert "no-such" in synedge(one, "blobs", "add", "no-such", code=74)["error"]["message"]
        huge = one.directory / "huge"
        huge.touch()
        os.truncate(huge, 64 * 1024 * 1024 + 1)
        assert "larger than" in synedge(one, "blobs", "add", "huge", code=65)["error"]["message"]
        nobody = synedge(one, "blobs", "get", "0" * 64, "--wait", "0.2", code=75)["error"]["message"]
        assert "nobody who is online has it" in nobody and "blobs rm" in nobody
        assert [row["state"] for row in synedge(one, "blobs", "list")["blobs"]] == ["asking"]
        assert synedge(one, "blobs", "rm", "0" * 64)["removed"] is True
        until(lambda: os.listdir(one.data / "blobs") == [], "no draft and no wish is left", one, DEADLINE_S)
        assert one.down() == 0


def test_a_directory_that_cannot_be_used_is_said_and_the_agent_goes_on(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "one") as site:
        one = site["one"]
        (one.data / "blobs").write_text("not a directory")
        one.configure(at(port))
        one.up()
        one.says("error", "blobs", "FileExistsError")
        assert "File exists" in synedge(one, "blobs", "list", code=70)["error"]["message"]
        one.feed(1.0)
        one.records_event(1)
