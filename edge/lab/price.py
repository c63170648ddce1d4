"""What one site costs, for people: what a planner asks first, then every figure by its name, then the course of it."""

from __future__ import annotations

from collections.abc import Iterator

from edge.cli.output import Output, bytes_text
from edge.sim.question import Answer, Figure

ROWS_MAX = 12
"""Of the course."""


def show(out: Output, answer: Answer) -> None:
    out.pairs([*_asked(answer), *_answered(answer)])
    out.line()
    out.pairs(_named(answer.figures))
    out.line()
    step = max(1, len(answer.samples) // ROWS_MAX)
    out.table(
        ("MINUTE", "RECORDED", "HOME", "SENT", "LARGEST LOG"),
        [
            (round(one.at_s / 60, 1), one.recorded, one.home, bytes_text(one.sent_bytes), bytes_text(one.log_bytes_max))
            for one in answer.samples[::step]
        ],
    )
    for remark in answer.remarks:
        out.line(remark)
    for violation in answer.violations:
        out.line(out.paint(violation, "red"))
    if answer.home_s is None:
        out.line(out.paint("not everything came home", "red"))


def _asked(answer: Answer) -> Iterator[tuple[str, str]]:
    """The question in words."""
    asked, figures = answer.question, answer.figures
    load = f"{asked.load_minutes:g} minutes; vertices a minute of each device: {asked.rate_per_minute:g}"
    yield "site", f"{figures['devices']} devices and {figures['gateways']} gateway for {load}"
    yield (
        "trouble",
        f"devices asleep {_percent(asked.asleep)} of their time, {_percent(asked.loss)} of frames lost each way",
    )
    if asked.committee:
        yield "committee", f"{asked.committee} of the devices vote, {figures['quorum']} of these decide"


def _answered(answer: Answer) -> Iterator[tuple[str, str]]:
    """What a planner wants to know of it."""
    figures = answer.figures
    if answer.question.committee:
        yield "finality", _finality(figures)
        yield "bytes", _bytes(figures)
        yield "availability", _availability(answer)
    sent, received = _count(figures, "sent_bytes"), _count(figures, "received_bytes")
    yield "traffic", f"{bytes_text(sent)} sent by all nodes, {bytes_text(received)} received by all"
    if answer.home_s is not None:
        since = "the gateway came back" if answer.question.gateway_away_min else "load ended"
        yield "home", f"{_count(figures, 'home_vertices')} vertices, all of them {answer.home_s:g} s after {since}"


def _finality(figures: dict[str, Figure]) -> str:
    decisions, open_ = _count(figures, "decisions"), _count(figures, "undecided")
    waited = figures["finality_ms"]
    counts = f"({decisions} decided, {open_} open)"
    if not isinstance(waited, dict) or waited["p50"] is None or waited["p99"] is None:
        return f"no proposer learned of a decision {counts}"
    return f"half of the proposers know within {_time(waited['p50'])}, 99% within {_time(waited['p99'])} {counts}"


def _bytes(figures: dict[str, Figure]) -> str:
    agreeing, given = figures["bytes_per_decision"], figures["delivered_bytes_per_decision"]
    each = figures["delivered_bytes_per_decision_and_device"]
    if not isinstance(agreeing, float) or not isinstance(given, float):
        return "nothing was decided"
    text = f"{bytes_text(round(agreeing))} a decision to agree"
    if not isinstance(each, float):
        return f"{text}; everybody votes"
    others = _count(figures, "devices") - _count(figures, "committee")
    return f"{text}, {bytes_text(round(given))} to tell who does not vote ({others} × {bytes_text(round(each))})"


def _availability(answer: Answer) -> str:
    seen, expected = answer.figures["availability"], answer.figures["availability_expected"]
    assert isinstance(expected, float)
    said = f"{_percent(expected)} expected of members who are there {_percent(1 - answer.question.asleep)} of the time"
    if not isinstance(seen, float):
        return f"not observed; {said}"
    return f"enough to decide for {_percent(seen)} of {answer.figures['availability_observed_s']:g} s; {said}"


def _count(figures: dict[str, Figure], name: str) -> int:
    value = figures[name]
    assert isinstance(value, int)
    return value


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _time(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _named(figures: dict[str, Figure]) -> Iterator[tuple[str, object]]:
    """Each by its name in JSON."""
    for name, value in figures.items():
        for key, one in value.items() if isinstance(value, dict) else (("", value),):
            shown = bytes_text(round(one)) if "bytes" in name and one is not None else one
            yield f"{name} {key}".rstrip(), shown
