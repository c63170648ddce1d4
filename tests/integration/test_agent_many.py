"""A real process with two hundred agents of one table: each answers with its own model; one that breaks stops alone."""

from edge.nn.export import export_float32
from edge.nn.mlp import Layer
from edge.shell.engines import open_model
from edge.wire.event import Event
from edge.wire.vertex import body_events
from tests.integration.agents import ALONE, field
from tests.unit.shell.engine_models import floats

MANY = 200
READINGS = (1.0, 0.25, 1000.0, 3.0)
BRITTLE = "cell-077"
AGENTS = """
[[source]]
name = "recorded"
kind = "file"
path = "recording.csv"
speed = 0

[[agent]]
name = "cell"
source = "recorded"
models = "cells/*.tflite"
decide = { kind = "value" }
"""


def test_two_hundred_agents_of_one_table(tmp_path):
    with field(tmp_path, "one") as site:
        node = site["one"]
        cells = node.directory / "cells"
        cells.mkdir()
        for number in range(MANY):
            weight = 1e38 if f"cell-{number:03}" == BRITTLE else number / 7
            (cells / f"{number:03}.tflite").write_bytes(export_float32([Layer([weight], [0.1])]))
        (node.directory / "recording.csv").write_text("x\n" + "".join(f"{value}\n" for value in READINGS))
        node.configure(AGENTS, ALONE, sensor=False)
        node.up()
        events = MANY * len(READINGS) - 1  # of the brittle one the third says so, and the fourth is shed
        node.records_event(events)
        status = node.now()
        assert (status["agents"], status["agents_failing"], list(status["faults"])) == (MANY, 1, [BRITTLE])
        agents = node.ask("agents")
        assert {told["engine"] for told in agents.values()} == {"native"}
        assert {told["recorded"] for name, told in agents.items() if name != BRITTLE} == {len(READINGS)}
        node.says("model", "agent=cell", "engine=native", f"models={MANY}")
        assert node.down() == 0
        recorded: dict[str, list[Event]] = {}
        for _, body in node.vertices():
            for event in body_events(body) if body else ():
                recorded.setdefault(event.agent, []).append(event)
        broken = recorded.pop(BRITTLE)
        assert [event.kind for event in broken] == ["value", "value", "failed"]
        assert list(recorded) == [f"cell-{number:03}" for number in range(MANY) if f"cell-{number:03}" != BRITTLE]
        for number, told in ((int(name[-3:]), told) for name, told in recorded.items()):
            model = open_model(cells / f"{number:03}.tflite")
            assert [event.values for event in told] == [model.run(floats(value)) for value in READINGS]
            assert {event.model for event in told} == {model.digest}
