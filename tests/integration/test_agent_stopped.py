"""A model that turns to no number while it runs, in a real process: stopped, told as an event, and shown."""

import subprocess
import sys

from edge.nn.export import export_float32
from edge.nn.mlp import Layer
from edge.wire.event import Event
from edge.wire.vertex import body_events
from tests.integration.agents import ALONE, field

AGENTS = """
[[agent]]
name = "brittle"
source = "feed"
model = "brittle.tflite"
decide = { kind = "value" }
"""


def test_a_model_that_answers_with_infinity_is_stopped_and_the_others_go_on(tmp_path):
    with field(tmp_path, "one") as site:
        node = site["one"]
        (node.directory / "brittle.tflite").write_bytes(export_float32([Layer([1e38], [0.0])]))
        node.configure(AGENTS, ALONE)
        node.up()
        node.feed(1)
        node.records_event(2)
        node.feed(1000)
        node.feed(2, 3)
        node.records_event(6)
        agents = node.ask("agents")
        assert agents is not None
        brittle, level = agents["brittle"], agents["level"]
        assert brittle["fault"] == "stopped until the next start: output 0 of the model is inf, not a finite number"
        assert (brittle["readings"], brittle["recorded"], brittle["shed"], brittle["errors"]) == (4, 2, 2, 1)
        assert (level["recorded"], level["fault"]) == (4, None)
        assert node.now()["faults"] == {"brittle": brittle["fault"]}
        command = [sys.executable, "-m", "edge", "status", "--config", str(node.directory / "synedge.toml")]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
        assert f"brittle: {brittle['fault']}" in " ".join(shown.split())
        node.says("brittle", "stopped until the next start")
        assert node.down() == 0
        bodies = [body for _, body in node.vertices() if body]
        events: list[Event] = [event for body in bodies for event in body_events(body)]
        told = [event for event in events if event.agent == "brittle"]
        assert [event.kind for event in told] == ["value", "failed"]
        assert told[1].values == ("output 0 of the model is inf, not a finite number",)
        assert told[1].model == told[0].model
