"""People's topics `synedge/n/<node>/…`: what `mosquitto_sub` shows reads like a log. A view only; the log is the truth.

| topic                  | retained | what                                                                     |
|------------------------|----------|--------------------------------------------------------------------------|
| `…/event`              | no       | a line for each event that has become `recorded`                          |
| `…/agent/<agent>`      | yes      | the newest of these lines                                                 |
| `…/state`              | yes      | the node's state                                                          |
| `…/final/<scope>/<key>` | yes      | the newest final value of a register, said again once it is sealed        |
| `…/presence`           | yes      | `online` or `offline`; `edge.shell.mqtt` writes it, its will too          |

A burst does not flood the topics: past EVENTS_BURST an agent shows EVENTS_PER_S, the newest wins, and the next line
says in `skipped` how many came between. So it is while the broker is away. Agents that have left the configuration are
taken back at the next start, here and from Home Assistant.
"""

import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence

from edge import __version__, limits
from edge.consensus.shown import final_word, question_row, value_row
from edge.effects import Decided
from edge.ids import Instant, VertexKey
from edge.shell.homeassistant import (
    AgentCard,
    NodeCard,
    discovery,
    discovery_topic,
    platform_of,
    removal,
    resend_delay_ms,
)
from edge.shell.telemetry import iso_time
from edge.shell.told import NOTHING, Told
from edge.wire.event import GAP_BEFORE, TIME_UNSURE, Event
from edge.wire.roster import is_node_name

__all__ = ["AgentCard", "People", "event_view"]

EVENTS_PER_S = 5
EVENTS_BURST = 20
NODE_EVENTS_PER_S = 100
NODE_EVENTS_BURST = 400
"""All agents of a node together."""
STATE_EVERY_MS = 5_000
STATE_IDLE_MS = 60_000
STATE_APART_MS = 500
"""Between two states of which an important field differs; flapping is not news."""
STATE_IMPORTANT = (
    "incarnation",
    "epoch",
    "linked",
    "time_unsure",
    "disk_full",
    "quarantined",
    "evicted",
    "broker",
    "hosting",
)

PublishText = Callable[[str, str, bool], object]
"""Topic, text, retained. False when it was not taken."""


class People:
    """What a node tells people, at a rate that people and brokers can take. Called by the loop's thread only."""

    def __init__(
        self,
        publish_text: PublishText,
        node: str,
        label: str,
        site_hex: str,
        agents: Sequence[AgentCard],
        *,
        home_assistant: bool = True,
        told: Told | None = None,
    ) -> None:
        for name in (node, *(agent.name for agent in agents)):
            if not is_node_name(name):
                raise ValueError(f"{name!r} cannot be part of a topic")
        if not re.fullmatch(r"[0-9a-f]{16}", site_hex):
            raise ValueError(f"{site_hex!r} is no site id")
        self._publish_text = publish_text
        self._card = NodeCard(node, label, site_hex)
        self._agents = tuple(agents)
        self._lanes = {agent.name: _Lane() for agent in agents}
        self._waiting: dict[str, None] = {}
        self._unsaid: dict[str, str] = {}
        self._finals: dict[str, str] = {}
        """By topic; the agreement bounds how many there are."""
        self._bucket = _Bucket(NODE_EVENTS_PER_S, NODE_EVENTS_BURST)
        self._state = _StateView(node, label)
        self._home_assistant = home_assistant
        self._told = told
        shown_as = {agent.name: platform_of(agent) for agent in agents}
        self._gone = told.begin(shown_as, home_assistant) if told is not None else NOTHING
        self._discovery_at_ms: float | None = None
        self._is_linked = False
        self._counts = dict.fromkeys(("people_events", "people_skipped", "people_states", "people_discoveries"), 0)
        self._counts["people_agents_left_out"] = 0

    def linked(self, up: bool, now: Instant) -> None:
        """A broker connection came or went. A broker may be new and hold nothing: everything retained is said again."""
        self._is_linked = up
        self._unsaid.clear()
        if not up:
            return
        self._discover()
        self._take_back()
        if self._state.text is not None:
            self._say("state", self._state.text)
        for name, lane in self._lanes.items():
            if lane.shown is not None and lane.waiting is None:
                self._say(f"agent/{name}", lane.shown)
        for topic, text in self._finals.items():
            self._say(topic, text)
        self.tick(now)

    def recorded(self, key: VertexKey, events: Sequence[Event], now: Instant) -> None:
        """Own events are durable. Costs little for those that are not shown."""
        shown: dict[str, str] = {}
        for index, event in enumerate(events):
            lane = self._lanes.get(event.agent)
            if lane is None:
                lane = self._new_lane(event.agent)
                if lane is None:
                    self._counts["people_skipped"] += 1
                    continue
            lane.take(key.seq, index, event)
            if self._may_show(lane, now):
                shown[event.agent] = self._show(lane)
            else:
                self._waiting[event.agent] = None
        for agent, text in shown.items():
            self._say(f"agent/{agent}", text)
        if events:
            self._state.last_recorded = iso_time(max(event.time_ms for event in events))

    def decided(self, final: Decided) -> None:
        """A value is final, or sealed now; said to whoever is there, and kept by the broker."""
        question, state = final.question, final_word(is_sealed=final.is_sealed)
        row = {**question_row(question), **value_row(final.value), "ballot": final.ballot, "state": state}
        text = json.dumps({**row, "recovered": final.recovered})
        topic = f"final/{question.scope}/{question.key}"
        self._finals[topic] = text
        self._say(topic, text)

    def state(self, status: Mapping[str, object], now: Instant) -> None:
        """Show `status` when it is time; may be called at every turn."""
        if self._is_linked and self._state.is_due(status, now):
            self._counts["people_states"] += 1
            self._say("state", self._state.render(status, now))

    def home_assistant(self, payload: bytes, now: Instant) -> None:
        """What came on `homeassistant.STATUS_TOPIC`."""
        if payload == b"online" and self._home_assistant and self._discovery_at_ms is None:
            self._discovery_at_ms = now.mono_ms + resend_delay_ms(self._card)

    def tick(self, now: Instant) -> None:
        """Show what had to wait and may now be shown."""
        if self._discovery_at_ms is not None and now.mono_ms >= self._discovery_at_ms:
            self._discovery_at_ms = None
            self._discover()
        for topic, text in list(self._unsaid.items()) if self._is_linked else ():
            self._say(topic, text)
        for agent in list(self._waiting) if self._is_linked and self._bucket.has(now) else ():
            lane = self._lanes[agent]
            if lane.waiting is not None and not self._may_show(lane, now):
                if not self._bucket.has(now):
                    break  # however many wait, it is nobody's turn
                continue
            del self._waiting[agent]
            if lane.waiting is not None:
                self._say(f"agent/{agent}", self._show(lane))

    def deadline(self, now: Instant) -> float | None:
        """When `tick` should be called, in monotonic ms; None while nothing waits."""
        due = [] if self._discovery_at_ms is None else [self._discovery_at_ms]
        if self._is_linked and (self._waiting or self._unsaid):
            due.append(now.mono_ms + 1000 / EVENTS_PER_S)
        return min(due, default=None)

    def counts(self) -> dict[str, int]:
        return {**self._counts, "people_waiting": len(self._waiting)}

    def _new_lane(self, agent: str) -> "_Lane | None":
        """For an agent without a card; None past AGENTS_MAX or with a name that no topic can carry."""
        if len(self._lanes) >= limits.AGENTS_MAX or not is_node_name(agent):
            return None
        return self._lanes.setdefault(agent, _Lane())

    def _may_show(self, lane: "_Lane", now: Instant) -> bool:
        return self._is_linked and lane.bucket.has(now) and self._bucket.has(now)

    def _show(self, lane: "_Lane") -> str:
        lane.bucket.take()
        self._bucket.take()
        self._counts["people_events"] += 1
        self._counts["people_skipped"] += lane.skipped
        text = lane.render()
        self._publish_text(f"synedge/n/{self._card.name}/event", text, False)
        return text

    def _say(self, topic: str, text: str) -> bool:
        """Retained, so the newest must get through: what a full outbox did not take is said again by `tick`."""
        self._unsaid.pop(topic, None)
        if self._publish_text(f"synedge/n/{self._card.name}/{topic}", text, True) is False:
            self._unsaid[topic] = text
            return False
        return True

    def _take_back(self) -> None:
        """Clear what an earlier start left retained; noted as done once a broker has taken all of it."""
        taken = [self._say(f"agent/{name}", "") for name in self._gone.agents if name not in self._lanes]
        if self._gone.discovery:
            taken.append(self._publish_text(discovery_topic(self._card), "", True) is not False)
        if self._told is not None and self._gone != NOTHING and all(taken):
            self._told.taken_back()
            self._told = None  # said again to every broker of this start, but noted once

    def _discover(self) -> None:
        if not (self._home_assistant and self._is_linked):
            return
        if self._gone.agents:
            self._publish_text(discovery_topic(self._card), removal(self._card, self._gone.agents), False)
        text, self._counts["people_agents_left_out"] = discovery(self._card, self._agents)
        self._counts["people_discoveries"] += 1
        self._publish_text(discovery_topic(self._card), text, True)


class _Bucket:
    """Tokens that time refills; full at first."""

    __slots__ = ("_at_ms", "_burst", "_per_ms", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_ms = per_s / 1000
        self._burst = self._tokens = burst
        self._at_ms: float | None = None

    def has(self, now: Instant) -> bool:
        if self._at_ms is not None:
            self._tokens = min(self._burst, self._tokens + (now.mono_ms - self._at_ms) * self._per_ms)
        self._at_ms = now.mono_ms
        return self._tokens >= 1

    def take(self) -> None:
        self._tokens -= 1


class _Lane:
    """One agent: the newest event not yet shown, how many were skipped before it, and the line last shown."""

    __slots__ = ("bucket", "shown", "skipped", "waiting")

    def __init__(self) -> None:
        self.bucket = _Bucket(EVENTS_PER_S, EVENTS_BURST)
        self.waiting: tuple[int, int, Event] | None = None
        self.skipped = 0
        self.shown: str | None = None

    def take(self, seq: int, index: int, event: Event) -> None:
        if self.waiting is not None:
            self.skipped += 1
        self.waiting = (seq, index, event)

    def render(self) -> str:
        assert self.waiting is not None
        seq, index, event = self.waiting
        view = event_view(event, seq, index)
        if self.skipped:
            view["skipped"] = self.skipped
        self.waiting, self.skipped = None, 0
        self.shown = as_json(view)
        return self.shown


class _StateView:
    """The state topic: when it is worth a message, and its text."""

    def __init__(self, node: str, label: str) -> None:
        self._name = {"node": node} | ({"label": label} if label else {})
        self._status: dict[str, object] = {}
        self._sent_ms: float | None = None
        self.text: str | None = None
        self.last_recorded: str | None = None

    def is_due(self, status: Mapping[str, object], now: Instant) -> bool:
        if self._sent_ms is None:
            return True
        age_ms = now.mono_ms - self._sent_ms
        if age_ms < STATE_APART_MS:
            return False
        if age_ms >= STATE_IDLE_MS or any(status.get(key) != self._status.get(key) for key in STATE_IMPORTANT):
            return True
        return age_ms >= STATE_EVERY_MS and dict(status) != self._status

    def render(self, status: Mapping[str, object], now: Instant) -> str:
        self._status = dict(status)
        self._sent_ms = now.mono_ms
        view: dict[str, object] = {"time": iso_time(now.wall_ms), **self._name, **status}
        share = view.pop("log_share", None)
        if isinstance(share, int | float):
            view["log_percent"] = number(100 * share)
        view |= {"last_recorded": self.last_recorded, "version": __version__}
        self.text = as_json(view)
        return self.text


def event_view(event: Event, seq: int, index: int) -> dict[str, object]:
    """An event as people write it; `seq` and `index` name it in this node's log. Flags stand there only when set."""
    view: dict[str, object] = {"time": iso_time(event.time_ms), "agent": event.agent}
    first = event.values[0] if isinstance(event.values[0], str) else number(event.values[0])
    if event.kind == "class":
        view["class"] = first
    elif event.kind == "failed":
        view |= {"kind": event.kind, "reason": first}
    else:
        view |= {"alarm": event.kind == "alarm"} if event.kind in ("alarm", "clear") else {}
        view |= {"kind": event.kind} if event.kind not in ("alarm", "clear", "value") else {}
        view["value"] = first
    if len(event.values) > 1:
        view["values"] = [value if isinstance(value, str) else number(value) for value in event.values]
    if event.unit:
        view["unit"] = event.unit
    if event.confidence is not None:
        view["confidence"] = number(round(event.confidence, 4))
    view |= {"seq": seq, "index": index, "state": "recorded"}
    for name, flag in (("time_unsure", TIME_UNSURE), ("gap_before", GAP_BEFORE)):
        if event.flags & flag:
            view[name] = True
    return view


def number(value: float) -> float | int:
    """As few digits as tell the value: a model's outputs are float32, and 0.93 should not read 0.9300000071525574."""
    try:
        digits = 7 if struct.unpack("<f", struct.pack("<f", value))[0] == value else 12
    except OverflowError:
        digits = 12
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def as_json(view: Mapping[str, object]) -> str:
    """One line. Letters stay as people wrote them, but nothing in it can steer a terminal."""
    text = json.dumps(view, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text if text.isprintable() else json.dumps(view, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
