"""`synedge demo --voice`: devices that hear, spoken wake words, and an audit of what they say they heard.

espeak-ng speaks; each device hears one voice through its ear (`edge.lab.ear_child`, a command), runs the four networks
on it, and signs what it heard. What the networks alone make of the same sound is computed here. The events that the
gateway holds have to be those, in digest and number: an event names the 30 ms it is about.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.output import Output
from edge.lab import ear_child, report, speech, verdict
from edge.lab.layout import GATEWAY, Seat, found_site, node_settings
from edge.lab.speech import Utterance, Voice
from edge.lab.stage import POLL_S, START_S_MAX, Stage, conclude, perform
from edge.lab.wakewords import FIELDS, Hearing, end_of, hear, steps_of, wake_words

EAR = "ear"
SENTENCE = "what is the weather like tomorrow"
"""No wake word: everyone has to be silent."""
SOUND = "speech.wav"

SOURCE = """
[[source]]
name = "ear"
kind = "command"
argv = {argv}
fields = {fields}
"""


class Speaker(NamedTuple):
    """A voice, and the agents that have to hear it say their word: not every network understands every espeak."""

    voice: Voice
    heard_by: frozenset[str]


SPEAKERS = (
    Speaker(Voice("en-us"), frozenset({"okay-nabu", "hey-mycroft", "alexa"})),
    Speaker(Voice("en-gb"), frozenset({"okay-nabu", "hey-mycroft", "alexa"})),
    Speaker(Voice("en-us+f3", 160), frozenset({"hey-jarvis", "hey-mycroft", "alexa"})),
)
"""Demanded is what was measured 0.03 above the cut-off or more, with espeak-ng 1.51; the rest is said, and told."""


class Ear(NamedTuple):
    """One device that hears: whom, what is said, and what the networks alone make of it."""

    speaker: Speaker
    said: list[Utterance]
    frames: int
    hearings: dict[str, Hearing]
    """By agent."""

    def at(self, step: int) -> int:
        """The number of the utterance in which a step ends."""
        return next(number for number, one in enumerate(self.said) if end_of(step) <= one.end)

    def peak(self, agent: str, utterance: int) -> float:
        """The highest mean probability while something was said."""
        means = self.hearings[agent].means
        return max(mean for step, mean in enumerate(means) if self.at(step) == utterance)


class VoiceDemo(Stage):
    """A gateway, and one device for each voice."""

    def __init__(self, args: Namespace, root: Path, out: Output) -> None:
        self.words = wake_words()
        self.speed: float = args.replay_speed or 1.0
        names = {f"{EAR}-{number}": speaker for number, speaker in enumerate(SPEAKERS, 1)}
        seats = [Seat(GATEWAY, "gateway", root / GATEWAY, None)]
        seats += [Seat(name, "device", root / name, None, hears=str(who.voice)) for name, who in names.items()]
        super().__init__(found_site(root, seats), seats, out)
        self.ears = {name: self._ear(speaker, root / name / SOUND) for name, speaker in names.items()}
        self.load_s = max(ear.said[-1].end for ear in self.ears.values()) / speech.RATE_HZ / self.speed

    def _ear(self, speaker: Speaker, path: Path) -> Ear:
        said = speech.say(speaker.voice, [*(word.phrase for word in self.words), SENTENCE], path)
        frames = list(ear_child.frames(ear_child.chunks_of(ear_child.read_wav(path))))
        steps = steps_of(frames)
        return Ear(speaker, said, len(frames), {word.agent: hear(word, steps) for word in self.words})

    def _give_senses(self, seat: Seat) -> None:
        text = node_settings(seat)
        if seat.name in self.ears:
            argv = [sys.executable, "-m", ear_child.__name__, str(seat.directory / SOUND), "--speed", str(self.speed)]
            text += SOURCE.format(argv=json.dumps(argv), fields=json.dumps(FIELDS))
            for word in self.words:
                shutil.copy(word.path, seat.directory)
                text += word.settings("ear", word.path.name)
        seat.config.write_text(text)

    def _load(self) -> None:
        """Until everything was heard; an ear that fails is not waited for."""
        until_s = self.begun_s + START_S_MAX + self.load_s
        while not self._is_sensed() and not self._deaf() and time.monotonic() < until_s:
            time.sleep(POLL_S)
            self._poll()

    def _is_sensed(self) -> bool:
        return all(self._readings(name) >= ear.frames * len(self.words) for name, ear in self.ears.items())

    def _readings(self, name: str) -> int:
        """What its agents took, together."""
        status = self.devices[name].status
        return int(status["readings"]["readings"]) if status else 0

    def _deaf(self) -> list[str]:
        """Ears in trouble, each with its words."""
        sources = ((name, self.devices[name].status.get("sources", {}).get("ear", {})) for name in self.ears)
        return [f"{name}: {ear['detail']}" for name, ear in sources if ear.get("state") == "failing"]

    # ---- the verdict

    def _judge(self) -> dict[str, Any]:
        held = self._held()
        stored = verdict.read_store(self.seats[0].directory)
        recorded = {name: self._recorded(name, stored) for name in self.ears}
        heard = [row for name in self.ears for row in self._rows(name, recorded[name])]
        answer: dict[str, Any] = {
            "heard": heard,
            "ears": [self._ear_row(name, held) for name in self.ears],
            **self._site_answer(held, stored),
            "models": [word.path.name for word in self.words],
            "replay_speed": self.speed,
        }
        answer["failures"] = [
            *self._site_failures(answer, held, stored),
            *self._deaf(),
            *(fault for name in self.ears for fault in self._faults(name, recorded[name], held)),
            *self._misheard(heard),
        ]
        return answer

    def _held(self) -> dict[str, verdict.Held]:
        """What each log holds, without the accounts that devices close with: who ended first does not hear them."""
        roster, authority = self.site.roster, self.site.authority.public_key
        held = {seat.name: verdict.read(seat, roster, authority) for seat in self.seats}
        last = {item.own.headers[-1] for item in held.values() if item.own.headers}
        closing = {header.id for header in last if header.body is None}
        return {name: item._replace(ids=item.ids - closing) for name, item in held.items()}

    def _is_equal(self, held: dict[str, verdict.Held]) -> bool:
        return len({item.ids for item in held.values()}) == 1

    def _recorded(self, name: str, stored: verdict.Stored) -> dict[str, list[int | None]]:
        """For each agent the steps of its alarms in the gateway's store, in order; None for one that should not be."""
        author = self.site.roster.by_name[name].index
        found = {}
        for agent, hearing in self.ears[name].hearings.items():
            due = dict(zip(hearing.alarms, hearing.said, strict=True))
            found[agent] = [
                _take(due, (event.input or b"", event.values[0]))
                for by, event in stored.events
                if (by, event.agent, event.kind) == (author, agent, "alarm")
            ]
        return found

    def _rows(self, name: str, recorded: dict[str, list[int | None]]) -> Iterable[dict[str, Any]]:
        """One for each phrase that a voice said."""
        ear = self.ears[name]
        words = {word.phrase: word for word in self.words}
        for number, said in enumerate(ear.said):
            own = words.get(said.text)
            fired = {
                agent: sum(step is not None and ear.at(step) == number for step in steps)
                for agent, steps in recorded.items()
            }
            others = [ear.peak(word.agent, number) for word in self.words if word != own]
            yield {
                "ear": name,
                "voice": str(ear.speaker.voice),
                "said": said.text,
                "must": own is not None and own.agent in ear.speaker.heard_by,
                "own": own.agent if own else None,
                "fired": [agent for agent, times in fired.items() if times],
                "events": sum(fired.values()),
                "peak": round(ear.peak(own.agent, number), 3) if own else None,
                "cutoff": own.cutoff if own else None,
                "peak_others": round(max(others), 3),
            }

    def _ear_row(self, name: str, held: dict[str, verdict.Held]) -> dict[str, Any]:
        device = self.devices[name]
        own = {header.id for header in held[name].own.headers} & held[name].ids
        return {
            "name": name,
            "voice": str(self.ears[name].speaker.voice),
            "ready_ms": device.ready_ms[0] if device.ready_ms else None,
            "rss_mb_max": device.rss_mb_max,
            "frames": self.ears[name].frames,
            "vertices": len(own),
            "recorded_events": held[name].own.recorded_events,
            "shed_events": held[name].own.shed_events,
            "verified_by": sum(own <= held[other].ids for other in held if other != name),
        }

    def _faults(self, name: str, recorded: dict[str, list[int | None]], held: dict[str, verdict.Held]) -> list[str]:
        """Where the device and the networks alone disagree, and what was lost on the way to them."""
        ear, own = self.ears[name], held[name].own
        taken = sum(tally.readings for tally in own.tallies())
        said = [
            f"{name}: {agent} fired at the steps {recorded[agent]}, the network alone fires at {list(hearing.alarms)}"
            for agent, hearing in ear.hearings.items()
            if recorded[agent] != list(hearing.alarms)
        ]
        if self._readings(name) < ear.frames * len(self.words):
            said.append(f"{name}: {self._readings(name)} of {ear.frames * len(self.words)} readings arrived")
        if own.shed_events or any(tally.shed for tally in own.tallies()):
            said.append(f"{name}: of {taken} readings some were shed")
        return said

    def _misheard(self, heard: Iterable[dict[str, Any]]) -> list[str]:
        said = []
        for row in heard:
            who = f"{row['voice']} said {row['said']!r}"
            if row["must"] and row["own"] not in row["fired"]:
                said.append(f"{who}: {row['own']} did not hear it (peak {row['peak']}, needed is {row['cutoff']})")
            said += [f"{who}: {agent} fired, whose word it is not" for agent in row["fired"] if agent != row["own"]]
        return said


def _take(due: dict[int, tuple[bytes, float]], said: tuple[bytes, float | str]) -> int | None:
    """The first step that is still due and of which this was said."""
    step = next((step for step, what in due.items() if what == said), None)
    if step is not None:
        del due[step]
    return step


def _summary(out: Output, answer: dict[str, Any]) -> None:
    """The verdict for people."""
    out.line()
    columns = ("voice", "said", "heard by", "events", "peak", "cut-off", "others' peak", "demanded")
    out.table(
        columns,
        [
            (
                row["voice"],
                row["said"],
                ", ".join(row["fired"]) or "nobody",
                row["events"],
                row["peak"],
                row["cutoff"],
                row["peak_others"],
                row["own"] if row["must"] else "silence" if row["own"] is None else None,
            )
            for row in answer["heard"]
        ],
        colours={"nobody": "dim", **{row["own"]: "green" for row in answer["heard"] if row["own"]}},
    )
    out.line()
    columns = ("ear", "ready ms", "RSS MB", "frames", "vertices", "events", "shed", "verified by")
    keys = ("name", "ready_ms", "rss_mb_max", "frames", "vertices", "recorded_events", "shed_events", "verified_by")
    out.table(columns, [tuple(row[key] for key in keys) for row in answer["ears"]])
    out.line()
    out.pairs(
        [
            ("recorded events", answer["recorded_events"]),
            ("lost events", answer["lost_events"]),
            ("signatures", f"{answer['signatures_verified']} good, {answer['signatures_bad']} bad"),
            ("frontiers equal", answer["frontier_equal"]),
            ("state roots equal", report.equal_roots(answer)),
            ("engine", ", ".join(answer["backend"])),
            ("broker", ", ".join(answer["broker"])),
            ("drained in", f"{answer['drain_s']} s"),
        ]
    )
    out.line(out.paint("green: what had to be heard was, and nothing else", "green") if not answer["failures"] else "")


def main(args: Namespace) -> int:
    """Run the demo; 0 only if every check holds. UnavailableError names what is not installed."""
    out = Output(as_json=args.json)
    speech.program()
    wake_words()
    list(ear_child.frames([]))
    return conclude(out, perform(lambda root: VoiceDemo(args, root, out), args.keep), _summary)
