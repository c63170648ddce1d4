"""`synedge sim`: many seeded worlds and what broke in them, or one site and what it costs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edge.cli.output import Output
from edge.errors import UsageError
from edge.lab.price import show as show_price
from edge.limits import COMMITTEE_MAX
from edge.sim.behaviours import BEHAVIOURS, MIXES
from edge.sim.breaks import BREAKS
from edge.sim.checkers import KINDS
from edge.sim.liars import Liar
from edge.sim.lies import STRANGERS
from edge.sim.profiles import PROFILES, Profile, profile_named
from edge.sim.question import Question, ask
from edge.sim.run import Outcome, Total, run_seeds
from edge.sim.shrink import shrink

SEEDS = range(20)
FAILURES_SHOWN = 3


def main(args: Namespace, out: Output) -> int:
    """Exit code 0 only without violations, and with every keeper in agreement."""
    if args.list:
        return _list(out)
    is_question = any(value is not None for value in (args.asleep, args.loss, args.gateway_away, args.plot))
    if not is_question:
        return _prove(args, out)
    if (args.seeds is not None and len(args.seeds) > 1) or args.broken is not None:
        raise UsageError("--asleep, --loss, --gateway-away and --plot are of one site; --seeds A:B and --break are not")
    if args.byzantine or args.behaviour:
        raise UsageError("--asleep, --loss, --gateway-away and --plot are of a site where nobody lies")
    if args.sleepers is not None:
        raise UsageError(
            "--sleepers says how many devices take a nap now and then, in worlds with faults; "
            "of one site say with --asleep P% for how much of its time each device sleeps"
        )
    return _price(args, out)


def _list(out: Output) -> int:
    if out.as_json:
        out.document(
            {
                "profiles": {name: asdict(profile) for name, profile in PROFILES.items()},
                "behaviours": _behaviours(),
                "rules": {name: {"rule": one.rule, "profile": one.profile} for name, one in BREAKS.items()},
            }
        )
        return 0
    out.table(("PROFILE", "WHAT"), [(name, profile.summary) for name, profile in PROFILES.items()])
    out.line()
    out.table(("BEHAVIOUR", "WHAT"), [*_behaviours().items()])
    out.line()
    out.table(("RULE", "WITHOUT --break", "PROFILE"), [(name, one.rule, one.profile) for name, one in BREAKS.items()])
    return 0


def _behaviours() -> dict[str, str]:
    mixes = {name: f"each its own of these: {', '.join(names)}" for name, names in MIXES.items()}
    return {name: _does(liar) for name, liar in BEHAVIOURS.items()} | mixes


def _does(liar: type[Liar]) -> str:
    """The first sentence of what is said of a behaviour."""
    return " ".join((liar.__doc__ or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")


# ---- worlds in which things go wrong


def _prove(args: Namespace, out: Output) -> int:
    if args.profile not in PROFILES:
        raise UsageError(f"no profile {args.profile!r}; allowed: {', '.join(PROFILES)}")
    if args.broken is not None and args.broken not in BREAKS:
        raise UsageError(f"no rule {args.broken!r}; allowed: {', '.join(BREAKS)}")
    if args.behaviour not in (None, *MIXES, *BEHAVIOURS):
        raise UsageError(f"no behaviour {args.behaviour!r}; allowed: {', '.join((*MIXES, *BEHAVIOURS))}")
    name = BREAKS[args.broken].profile if args.broken is not None and args.profile == "mixed" else args.profile
    given = ("nodes", "minutes", "stop_minutes", "committee", "byzantine", "behaviour", "sleepers")
    changes = BREAKS[args.broken].changes if args.broken is not None else {}
    changes |= {key: value for key in given if (value := getattr(args, key)) is not None}
    profile = profile_named(name, **changes)
    if args.committee is None:
        profile = replace(profile, committee=min(profile.committee, profile.nodes))
    _can_be(profile)
    seeds = args.seeds if args.seeds is not None else SEEDS
    bar = _Bar(out, len(seeds))
    total = run_seeds(
        seeds,
        profile,
        only=args.only,
        broken=args.broken,
        genuine=True if args.real_signatures else None,
        failures_max=1 if args.broken is not None else FAILURES_SHOWN,
        progress=lambda total: bar.show(total.seeds, f"{total.violations + total.unconverged} violations"),
    )
    bar.clear()
    failed = [_smaller(outcome, args) for outcome in total.failed]
    if out.as_json:
        out.document(_document(total, failed))
    else:
        _show(out, total, failed)
    for outcome in failed:
        print(f"replay: {outcome.case.replay()}", file=sys.stderr)
    return 1 if total.failed else 0


def _can_vote(committee: int, machines: int) -> None:
    """UsageError for more voters than there are who may vote, or than a committee has."""
    most = min(machines, COMMITTEE_MAX)
    if committee > most:
        raise UsageError(f"a committee of {committee}; allowed: 0 to {most}")


def _can_be(profile: Profile) -> None:
    """UsageError for more voters than there can be, or more who lie than there are."""
    _can_vote(profile.committee, profile.nodes)
    room = profile.committee - 1
    if profile.behaviour in STRANGERS:
        room = profile.nodes - profile.gateways - profile.committee
    if profile.byzantine > max(0, room):
        raise UsageError(f"{profile.byzantine} who lie ({profile.behaviour}); allowed: 0 to {max(0, room)}")


def _smaller(outcome: Outcome, args: Namespace) -> Outcome:
    return outcome if args.no_shrink or args.only is not None else shrink(outcome)


def _document(total: Total, failed: list[Outcome]) -> dict[str, Any]:
    """What a script reads."""
    names = ("seeds", "steps", "virtual_seconds", "violations", "unconverged", "lost_acknowledged", "honest_forks")
    document: dict[str, Any] = {name: getattr(total, name) for name in names}
    document |= {"bytes_per_vertex": total.bytes_per_vertex, "trace_hash": total.trace_hash, "seconds": total.seconds}
    document |= {"vertices": total.vertices, "agreed_after_s_max": total.heal_s_max, "events": dict(total.notes)}
    agreed = ("disagreements", "undecided", "honest_evictions", "decisions", "bytes_per_decision")
    document |= {name: getattr(total, name) for name in agreed}
    document["finality_ms"] = {f"p{share}": total.finality_at(share / 100) for share in (50, 99)}
    document |= {"peaks": dict(total.peaks), "dropped_frames": dict(total.dropped)}
    document["failures"] = [
        {
            "replay": outcome.case.replay(),
            "faults": [str(fault) for fault in outcome.case.faults()],
            "violations": [violation._asdict() for violation in outcome.violations],
        }
        for outcome in failed
    ]
    return document


def _apart(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """The entries of a field that has several, for people."""
    return {f"{name} {key}": value for key, value in document.get(name, {}).items()}


def _show(out: Output, total: Total, failed: list[Outcome]) -> None:
    document = _document(total, failed)
    rows = {**document, **_apart("finality_ms", document)}
    out.pairs((name, value) for name, value in rows.items() if not isinstance(value, (dict, list)))
    out.line()
    faults = sorted((name[7:], count) for name, count in total.notes.items() if name.startswith("fault: "))
    if faults:
        out.table(("FAULT", "TIMES"), faults)
        out.line()
    kinds = Counter(violation.kind for outcome in total.failed for violation in outcome.violations)
    for kind, count in kinds.items():
        out.line(out.paint(f"{kind}: {count} × {KINDS[kind]}", "red"))
    for outcome in failed:
        violation = outcome.violations[0]
        out.line(f"  {violation.who} at {violation.at_s:g} s: {violation.text}")
        for fault in outcome.case.faults():
            out.line(f"    {fault}")
    if not failed:
        out.line(out.paint("nothing that was promised failed", "green"))


# ---- what a site costs


def _price(args: Namespace, out: Output) -> int:
    if args.plot is not None:
        from edge.lab.plot import check

        check(args.plot)
    question = Question(
        nodes=args.nodes or 50,
        minutes=args.minutes,
        asleep=args.asleep or 0.0,
        loss=args.loss or 0.0,
        gateway_away_min=args.gateway_away or 0.0,
        rate_per_minute=args.rate,
        committee=args.committee or 0,
        seed=args.seeds.start if args.seeds is not None else 0,
    )
    _can_vote(question.committee, question.devices)
    bar = _Bar(out, 100)
    answer = ask(question, lambda share: bar.show(int(share * 100), "% of virtual time"))
    bar.clear()
    if args.plot is not None:
        from edge.lab.plot import draw

        draw(answer, Path(args.plot))
    if out.as_json:
        out.document(asdict(answer))
    else:
        show_price(out, answer)
        if args.plot is not None:
            out.line(f"{args.plot} written")
    return 0 if answer.home_s is not None and not answer.violations else 1


class _Bar:
    """A bar for people who wait, on a terminal alone."""

    def __init__(self, out: Output, whole: int) -> None:
        self._is_shown = not out.as_json and sys.stderr.isatty()
        self._whole = whole

    def show(self, done: int, text: str) -> None:
        if self._is_shown:
            filled = 30 * done // max(1, self._whole)
            print(f"\r[{'=' * filled}{' ' * (30 - filled)}] {done}/{self._whole} {text}  ", end="", file=sys.stderr)

    def clear(self) -> None:
        if self._is_shown:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr)
