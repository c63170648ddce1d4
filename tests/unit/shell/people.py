"""A node's people's topics on a broker that is only a dict."""

import json
from dataclasses import dataclass, field
from typing import Any

from edge.ids import Instant, VertexKey
from edge.shell.publish import AgentCard, People
from edge.shell.told import Told
from edge.wire.event import Event

SITE = "0011223344556677"
WALL_MS = 1_795_366_905_123
BEARING = AgentCard("bearing", "argmax", labels=("ok", "worn", "failing"))
KEY = VertexKey(3, 1, 17)


def worn(time_ms: int = WALL_MS, agent: str = "bearing", **changes: Any) -> Event:
    return Event(agent, "class", time_ms, ("worn",), None, 0.9300000071525574)._replace(**changes)


@dataclass
class Broker:
    """Takes what is published, as a broker would keep it."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    retained: dict[str, str] = field(default_factory=dict)
    takes: bool = True

    def publish_text(self, topic: str, text: str, retain: bool) -> bool:
        if not self.takes:
            return False
        assert "\n" not in text
        self.lines.append((topic, text))
        if retain:
            self.retained[topic] = text
        return True

    def json(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(text) for name, text in self.lines if name == topic]


def at(mono_ms: float) -> Instant:
    return Instant(mono_ms, WALL_MS + int(mono_ms))


def people(
    broker: Broker, *agents: AgentCard, home_assistant: bool = False, linked: bool = True, told: Told | None = None
) -> People:
    cards = agents or (BEARING,)
    made = People(broker.publish_text, "pump-7", "Pump 7", SITE, cards, home_assistant=home_assistant, told=told)
    if linked:
        made.linked(True, at(0))
    return made
