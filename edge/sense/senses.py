"""All agents of a node, by source: a reading goes to each agent of its source, and a source's silence is noticed.

For the node: `read` gives the windows that a reading completed. A window whose `outputs` is None goes to the model, any
other straight on; either way `outputs` is called once per window, or `shed`. Whether there is room for an event
is asked before `outputs`: what it gives is recorded.
"""

from collections.abc import Sequence

from edge import limits
from edge.sense.agent import COUNTS, Agent, Change
from edge.sense.options import AgentOptions
from edge.sense.reading import Reading
from edge.sense.silence import Pace
from edge.sense.window import Window
from edge.wire.event import Event, event_json
from edge.wire.items import Tally

_NOTHING = Tally(0, 0, 0, 0, 0)


class _Stream:
    """What is known of a source from its readings alone."""

    __slots__ = ("agents", "has_ended", "is_silent", "last_ms", "pace", "readings")

    def __init__(self) -> None:
        self.agents: list[Agent] = []
        self.pace = Pace()
        self.last_ms: float | None = None
        self.readings = 0
        self.is_silent = False
        self.has_ended = False


class Senses:
    """Owns the agents. `sources` names the streams that are watched for silence, also those no agent reads."""

    def __init__(self, agents: Sequence[AgentOptions], sources: Sequence[str] = ()) -> None:
        assert len(agents) <= limits.AGENTS_MAX and len(sources) <= limits.SOURCES_MAX
        self._agents: dict[str, Agent] = {}
        self._streams: dict[str, _Stream] = {name: _Stream() for name in sources}
        self._unclaimed = 0
        for options in agents:
            if options.name in self._agents:
                raise ValueError(f"agent name {options.name}: is used twice; allowed is each name once")
            self._agents[options.name] = agent = Agent(options)
            self._streams.setdefault(options.source, _Stream()).agents.append(agent)
        self._changes: list[Change] = []
        self._touched: dict[str, Agent] = {}
        self._tallies: dict[str, Tally] = {}
        self._total = _NOTHING

    @property
    def has_streams(self) -> bool:
        """Whether there is anything whose silence could be noticed."""
        return bool(self._streams)

    @property
    def widest(self) -> int:
        """How many windows one reading may complete: the most agents that one source has, at least 1."""
        return max((len(stream.agents) for stream in self._streams.values()), default=1) or 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._agents)

    def agent(self, name: str) -> Agent:
        return self._agents[name]

    def model_loaded(self, name: str, digest: bytes, input_length: int, output_length: int) -> None:
        """Tie an agent to its model; ValueError, with the agent's name, when the shapes do not fit."""
        try:
            self._agents[name].model_loaded(digest, input_length, output_length)
        except ValueError as error:
            raise ValueError(f"agent {name}: {error}") from None

    def read(self, reading: Reading, now_ms: float) -> list[tuple[str, Window]]:
        """Take one reading that arrived at `now_ms` (monotonic); the windows it completed, by agent."""
        stream = self._streams.get(reading.source)
        if stream is None:
            self._unclaimed += 1 + reading.lost
            return []
        self._note_arrival(reading.source, stream, now_ms)
        windows = []
        for agent in stream.agents:
            self._touched[agent.options.name] = agent
            window = agent.read(reading)
            if window is not None:
                windows.append((agent.options.name, window))
        return windows

    def outputs(self, name: str, window: Window, outputs: tuple[float, ...] | None) -> Event | None:
        """What a window says; None as `outputs` means that the model failed on it."""
        agent = self._touch(name)
        if outputs is None:
            agent.fail(window, "the model could not run on a window; the engine's own message stands in the log")
            return None
        return agent.decide(window, outputs)

    def shed(self, name: str, window: Window) -> None:
        self._touch(name).shed(window)

    def is_urgent(self, event: Event) -> bool:
        return self._agents[event.agent].is_urgent(event)

    def retention(self, agent: str) -> int:
        """The class of an agent's events."""
        return self._agents[agent].options.retention

    def tally(self) -> Tally:
        """Summed over the agents: a reading that two agents take counts twice. Costs what changed."""
        for name, agent in self._touched.items():
            old, new = self._tallies.get(name, _NOTHING), agent.tally()
            self._total = Tally(*(total - was + now for total, was, now in zip(self._total, old, new, strict=True)))
            self._tallies[name] = new
        self._touched.clear()
        return self._total

    def _touch(self, name: str) -> Agent:
        """The agent, about to change its account."""
        agent = self._touched[name] = self._agents[name]
        return agent

    def ended(self, source: str) -> None:
        """The source said itself that nothing more will come: its silence is no news."""
        if source in self._streams:
            self._streams[source].has_ended = True

    def stalled(self, now_ms: float) -> list[Change]:
        """Sources that fell silent or came back since the last call; each is said once."""
        for name, stream in self._streams.items():
            if stream.last_ms is None:
                stream.last_ms = now_ms  # silence is counted from the first time anyone asked
            silent_ms = now_ms - stream.last_ms
            if stream.is_silent or stream.has_ended or not stream.pace.is_silent(silent_ms):
                continue
            stream.is_silent = True
            since = f"for {silent_ms / 1000:.0f} s" if stream.readings else "since the start"
            usual = f"; usual is one within {stream.pace.typical_ms / 1000:.3g} s" if stream.readings > 1 else ""
            self._changes.append(Change("source", name, False, f"has sent nothing {since}{usual}"))
        changes, self._changes = self._changes, []
        return changes

    def faults(self) -> list[Change]:
        """Agents whose trouble began, changed or ended since the last call."""
        changes = [agent.change() for agent in self._agents.values()]
        return [change for change in changes if change is not None]

    def _note_arrival(self, name: str, stream: _Stream, now_ms: float) -> None:
        if stream.last_ms is not None and stream.readings:
            stream.pace.learn(now_ms - stream.last_ms)
        if stream.is_silent:
            stream.is_silent = False
            assert stream.last_ms is not None
            self._changes.append(
                Change("source", name, True, f"sends again after {(now_ms - stream.last_ms) / 1000:.0f} s")
            )
        stream.has_ended = False
        stream.last_ms = now_ms
        stream.readings += 1

    def counts(self) -> dict[str, int]:
        """Every counter of this room, for telemetry."""
        totals = dict.fromkeys(COUNTS, 0)
        for agent in self._agents.values():
            for key, count in agent.counts().items():
                totals[key] += count
        return {
            **self.tally()._asdict(),
            **totals,
            "unclaimed": self._unclaimed,
            "silent_sources": sum(stream.is_silent for stream in self._streams.values()),
        }

    def status(self) -> dict[str, dict[str, object]]:
        """Per agent, ready for JSON."""
        return {name: self._agent_status(agent) for name, agent in self._agents.items()}

    def _agent_status(self, agent: Agent) -> dict[str, object]:
        stream = self._streams[agent.options.source]
        return {
            "source": agent.options.source,
            "is_silent": stream.is_silent,
            **agent.tally()._asdict(),
            **agent.counts(),
            "fault": agent.fault or None,
            "last": None if agent.last is None else event_json(agent.last),
        }
