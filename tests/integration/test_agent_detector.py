"""A detector in a real process: it learns from readings, tells the change as an alarm, and names its options in it."""

from edge.nn.detectors import AdwinOptions
from edge.nn.streams import digest
from edge.wire.event import Event
from edge.wire.vertex import body_events
from tests.integration.agents import ALONE, field

AGENTS = """
[[agent]]
name = "change"
source = "feed"
detector = { kind = "adwin", clock = 1 }
decide = { kind = "drift", clear_after = 5 }
"""


def test_a_change_becomes_an_alarm_that_ends(tmp_path):
    with field(tmp_path, "one") as site:
        node = site["one"]
        node.configure(AGENTS, ALONE)
        node.up()
        node.feed(*[1.0 + place % 3 for place in range(60)], *[9.0 + place % 3 for place in range(30)])
        node.waits_for(lambda status: status["readings"]["readings"] == 180, "both agents took all readings")
        change = (node.ask("agents") or {})["change"]
        assert (change["engine"], change["fault"], change["events"]) == ("stream", None, 2)
        assert (change["recorded"], change["quiet"]) == (2, 88)
        assert node.down() == 0
        bodies = [body for _, body in node.vertices() if body]
        told: list[Event] = [event for body in bodies for event in body_events(body) if event.agent == "change"]
        assert [event.kind for event in told] == ["alarm", "clear"]
        assert told[0].values[0] > told[0].values[1] > 1.5
        assert {event.model for event in told} == {digest(AdwinOptions(clock=1), 1)}
