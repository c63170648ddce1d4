"""One agent on one recording, offline: the very window, model and decision that the service runs."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.output import Output, cell
from edge.config import AgentConfig, Config
from edge.errors import DataError
from edge.nn.backends import Model
from edge.nn.errors import EngineError, InferenceError, ModelError
from edge.sense.agent import Agent
from edge.sense.options import AgentOptions, agent_options
from edge.sense.reading import Reading
from edge.shell.engines.opening import open_for
from edge.shell.sources import open_source
from edge.shell.sources.recording import BadRow, Recording
from edge.wire.event import Event, event_json

STEP_MS = 10.0
"""Between rows of a recording that does not say."""
OUTPUTS_SHOWN = 6


class Look(NamedTuple):
    """One window and what became of it."""

    time_ms: int
    """Since the first row; the window's end."""
    outputs: tuple[float, ...]
    event: Event | None
    latency_ms: float | None
    """Of the model alone; None without one."""
    fault: str


class Trial(NamedTuple):
    """All windows of one agent."""

    agent: str
    engine: str | None
    model: str | None
    sha256: str | None
    labels: tuple[str, ...]
    rows: int
    bad_rows: tuple[str, ...]
    open_readings: int
    looks: tuple[Look, ...]

    def summary(self) -> dict[str, Any]:
        events = [look.event for look in self.looks if look.event is not None]
        said = Counter(f"{event.kind} {event.values[0]}" if event.kind == "class" else event.kind for event in events)
        latencies = sorted(look.latency_ms for look in self.looks if look.latency_ms is not None)
        return {
            "rows": self.rows,
            "bad_rows": len(self.bad_rows),
            "windows": len(self.looks),
            "events": len(events),
            "fired": any(event.kind != "clear" for event in events),
            "by_value": dict(said.most_common()),
            "faults": sum(bool(look.fault) for look in self.looks),
            "latency_ms": {"p50": _at(latencies, 0.5), "p99": _at(latencies, 0.99)} if latencies else None,
            "open_readings": self.open_readings,
        }

    def document(self) -> dict[str, Any]:
        return {
            "agent": self.agent,
            "engine": self.engine,
            "model": self.model,
            "model_sha256": self.sha256,
            "summary": self.summary(),
            "bad_rows": list(self.bad_rows[:100]),
            "windows": [
                {
                    "time_ms": look.time_ms,
                    "outputs": list(look.outputs),
                    "event": event_json(look.event) if look.event else None,
                    "latency_ms": None if look.latency_ms is None else round(look.latency_ms, 4),
                    "fault": look.fault or None,
                }
                for look in self.looks
            ],
        }

    def show(self, out: Output, limit: int) -> None:
        facts = self.summary()
        verdict = "fires" if facts["fired"] else "never fires"
        out.line(f"{self.agent} {verdict}: {facts['events']} events in {facts['windows']} windows of {self.rows} rows")
        shown = self.looks[:limit] if limit else self.looks
        if shown:
            out.table(("t", "outputs", "event", "confidence", "ms"), [self._cells(look) for look in shown])
        if len(shown) < len(self.looks):
            out.line(f"… and {len(self.looks) - len(shown)} windows more (--limit 0 shows all)")
        said = ", ".join(f"{count} × {what}" for what, count in facts["by_value"].items())
        out.pairs(
            (name, value)
            for name, value in (
                ("events", said or "none"),
                ("engine", self.engine),
                ("latency", facts["latency_ms"] and "p50 {p50} ms, p99 {p99} ms".format(**facts["latency_ms"])),
                ("bad rows", self.bad_rows and f"{len(self.bad_rows)}, such as {self.bad_rows[0]}"),
                ("faults", facts["faults"] and f"{facts['faults']}, such as {self._first_fault()}"),
            )
            if value
        )

    def _cells(self, look: Look) -> tuple[object, ...]:
        outputs = list(zip(self.labels, look.outputs, strict=False)) if self.labels else []
        if outputs:
            best = sorted(outputs, key=lambda pair: -pair[1])[:3]
            text = ", ".join(f"{label} {value:.3f}" for label, value in best)
        else:
            text = ", ".join(f"{value:.4g}" for value in look.outputs[:OUTPUTS_SHOWN])
            text += ", …" if len(look.outputs) > OUTPUTS_SHOWN else ""
        event = look.event
        said = f"{event.kind} {cell(event.values)}" if event else look.fault or None
        confidence = f"{event.confidence:.2f}" if event and event.confidence is not None else None
        latency = None if look.latency_ms is None else f"{look.latency_ms:.3f}"
        return f"{look.time_ms / 1000:.2f}s", text, said, confidence, latency

    def _first_fault(self) -> str:
        return next(look.fault for look in self.looks if look.fault)


def try_agent(config: Config, chosen: AgentConfig, file: Path) -> Trial:
    """Run one agent over a recording. DataError when recording, model and agent do not fit together."""
    source = next(item for item in config.sources if item.name == chosen.source)
    fields = open_source(source.name, source.kind, source.options).fields
    options = replace(agent_options(chosen.options, fields), name=chosen.name)
    recording = _open_recording(file, fields, source.options if source.kind == "file" else {})
    agent = Agent(options)
    model = _load(chosen, agent) if options.has_model else None
    try:
        rows, bad, looks = _run(agent, model, recording, source.name)
    finally:
        if model is not None:
            model.close()
    return Trial(
        agent=chosen.name,
        engine=model.engine if model else None,
        model=model.path if model else None,
        sha256=model.digest.hex() if model else None,
        labels=_labels(options),
        rows=rows,
        bad_rows=tuple(bad),
        open_readings=agent.tally().open,
        looks=tuple(looks),
    )


def _run(agent: Agent, model: Model | None, recording: Recording, source: str) -> tuple[int, list[str], list[Look]]:
    rows, bad, looks, has_gap = 0, list[str](), list[Look](), False
    for row in recording.rows():
        if isinstance(row, BadRow):
            bad.append(row.text)
            has_gap = True
            continue
        offset_ms = rows * STEP_MS if row.offset_ms is None else max(0.0, row.offset_ms)
        rows += 1
        window = agent.read(Reading(source, round(offset_ms), row.values, 0, has_gap))
        has_gap = False
        if window is None:
            continue
        outputs, latency_ms, event = window.outputs or (), None, None
        try:
            if model is not None:
                began = time.perf_counter()
                outputs = model.run(window.tensor)
                latency_ms = (time.perf_counter() - began) * 1000
            event = agent.decide(window, outputs)
            fault = agent.fault if event is None else ""
        except InferenceError as error:
            agent.fail(window, str(error))
            fault = str(error)
        looks.append(Look(window.time_ms, outputs, event, latency_ms, fault))
    return rows, bad, looks


def _open_recording(file: Path, fields: tuple[str, ...], options: Any) -> Recording:
    """With the columns of the agent's source; a recording that lacks them is no test of this agent."""
    time_field = options.get("time_field")
    return Recording(file, fields, time_field=time_field, time_unit=options.get("time_unit") or "ms")


def _load(chosen: AgentConfig, agent: Agent) -> Model:
    try:
        opened = open_for(agent.options, chosen.model)
        agent.model_loaded(opened.model.digest, opened.model.input_bytes // 4, opened.outputs)
    except (ModelError, EngineError, InferenceError, ValueError) as error:
        raise DataError(f"agent {chosen.name}: {error}") from None
    return opened.model


def _labels(options: AgentOptions) -> tuple[str, ...]:
    return tuple(getattr(options.decide, "labels", ()))


def _at(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)
