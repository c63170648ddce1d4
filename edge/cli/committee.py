"""`synedge committee`: who votes here, and before anyone does, how many should and what that is worth."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from edge.cli.options import add_command, add_config, add_json, add_log, at_least, load_config, share
from edge.cli.output import Output
from edge.consensus.committee import Committee, usual
from edge.errors import TryLaterError, UnavailableError, UsageError
from edge.identity import committee_rows, site_files
from edge.limits import COMMITTEE_MAX
from edge.shell.control import ask
from edge.wire.suite import SUITE_BY_NAME

OFFERED = ((1, 0), (3, 0), (4, 1), (6, 1), (7, 2), (8, 1), (10, 3), (13, 2), (13, 4))
DEVICES = 10
WAIT_S = 10.0
POLL_S = 0.02


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    plan = add_command(
        commands,
        "plan",
        "compare committees, before anyone is chosen for one",
        "committee plan --devices 30",
        "committee plan --devices 30 --sleepy --present 90%",
        "committee plan --members 9 --liars 2 --json",
    )
    plan.add_argument("--devices", type=at_least(1), default=DEVICES, metavar="N", help=f"on the site ({DEVICES})")
    plan.add_argument("--sleepy", action="store_true", help="members are away often")
    plan.add_argument("--members", type=int, metavar="N", help=f"this committee alone: 1 to {COMMITTEE_MAX}")
    plan.add_argument("--liars", type=int, metavar="R", help="of these at most so many lie (a third, rounded down)")
    plan.add_argument(
        "--present", type=share(), default=0.95, metavar="P%", help="how likely a member is there (95%%), by itself"
    )
    plan.add_argument("--lying", type=share(), default=0.01, metavar="P%", help="how likely one lies (1%%), by itself")
    plan.add_argument("--suite", choices=sorted(SUITE_BY_NAME), default="ml-dsa-65", help="of votes (ml-dsa-65)")
    add_json(plan)
    show = add_command(
        commands,
        "show",
        "who votes, by the newest roster that this device knows, and how far a change is",
        "committee show",
        "committee show --config pump-7/synedge.toml --json",
    )
    add_config(show)
    add_json(show)
    _arguments_of_evict(commands)
    audit = add_command(
        commands,
        "audit",
        "look in a log for members who voted twice, or above their own stop; exit 1 if there is one",
        "committee audit --config pump-7/synedge.toml",
        "committee audit --data /mnt/card/data --out proofs --json",
        "committee audit --proof proofs/pump-3.double --roster fleet/roster.cose",
    )
    audit.add_argument("--out", type=Path, metavar="DIR", help="write a proof of each there, NAME.double or .stopped")
    audit.add_argument("--proof", type=Path, metavar="FILE", help="check such a proof; needs --roster, and no log")
    audit.add_argument("--roster", type=Path, metavar="FILE", help="of the site, authority.pub beside it")
    add_log(audit)
    add_json(audit)


def _arguments_of_evict(commands: Any) -> None:
    evict = add_command(
        commands,
        "evict",
        "say on this member that another is to be evicted; it is once a quorum of members say so",
        "committee evict pump-9 --config pump-1/synedge.toml",
        "committee evict pump-9 --wait 60 --json",
    )
    evict.add_argument(
        "node", metavar="NODE", help="whose key is lost or stolen, say; it comes back with a new one alone"
    )
    evict.add_argument(
        "--wait",
        type=at_least(0, whole=False),
        default=WAIT_S,
        metavar="S",
        help=f"until it is decided ({WAIT_S:g}); 0: just say so. Nothing takes it back",
    )
    add_config(evict)
    add_json(evict)


def run(args: Namespace, out: Output) -> int:
    if args.what == "audit":
        from edge.cli.doubles import audit

        return audit(args, out)
    return {"show": _show, "evict": _evict, "plan": _plan}[args.what](args, out)


def _show(args: Namespace, out: Output) -> int:
    config = load_config(args)
    try:
        answer = {**ask(config.node.control_socket, "committees"), "told_by": "the running agent"}
    except UnavailableError:
        roster = site_files(config)[1]
        answer = {"roster_version": roster.version, "committees": committee_rows(roster)}
        answer["told_by"] = str(config.site.roster)
    if out.as_json:
        out.document(answer)
        return 0
    names = ("scope", "voters", "members", "liars", "quorum", "absent", "since")
    if answer["committees"]:
        head = ("scope", "who votes", "members", "of them may lie", "decide", "may be away", "since roster version")
        out.table(head, [[row[name] for name in names] for row in answer["committees"]])
        out.line()
        for row in answer["committees"]:
            if row.get("epoch") is not None:
                out.line(_handover_text(row))
    else:
        out.line("nobody votes here; `synedge fleet committee` at the site says who does")
    for row in answer.get("evicted", ()):
        out.line(_evicted_text(row))
    for row in answer.get("evicting", ()):
        out.line(f"{row['node']}: not evicted yet; to be, say {', '.join(row['said'])}")
    out.line(f"roster version {answer['roster_version']}, by {answer['told_by']}")
    return 0


def _evicted_text(row: dict[str, Any]) -> str:
    heads = ", ".join(f"{head['incarnation']}/{head['seq']}" for head in row["cut"])
    return f"{row['node']}: evicted, {row['why']}; {f'valid up to {heads}' if heads else 'nothing of it stays'}"


def _evict(args: Namespace, out: Output) -> int:
    socket = load_config(args).node.control_socket
    asked = ask(socket, "evict", node=args.node)
    begun = monotonic()
    while True:
        answer = ask(socket, "committees")
        row = next((row for row in answer["evicted"] if row["node"] == args.node), None)
        if row is not None:
            out.document({**row, "state": "evicted"}) if out.as_json else out.line(_evicted_text(row))
            return 0
        if monotonic() - begun >= args.wait:
            break
        sleep(POLL_S)
    said: list[str] = next((row["said"] for row in answer["evicting"] if row["node"] == args.node), [])
    if args.wait:
        raise TryLaterError(
            f"{args.node}: not evicted after {args.wait:g} s, and may be later; {_said_text(said, asked)}"
        )
    if out.as_json:
        out.document({"node": args.node, "state": "proposed", "said": said, "quorum": asked["quorum"]})
    else:
        out.line(f"{args.node}: {_said_text(said, asked)}")
    return 0


def _said_text(said: list[str], asked: dict[str, Any]) -> str:
    return f"{asked['quorum']} members must say so or hold a proof, and {', '.join(said) or 'nobody'} said so here"


def _handover_text(row: dict[str, Any]) -> str:
    """Who decides now, and how far the change is that a newer roster wants."""
    names = ", ".join
    decides = f"{row['scope']}: epoch {row['epoch']} decides"
    if row["changing_to"] is None:
        return f"{decides}; entered: {names(row['entered']) or 'nobody yet'}"
    stopped = names(row["stopped"]) or "nobody yet"
    return f"{decides}, epoch {row['changing_to']} is to follow once a quorum has stopped: {stopped}"


def _plan(args: Namespace, out: Output) -> int:
    rows = [_row(committee, is_usual, args) for committee, is_usual in _committees(args)]
    if out.as_json:
        out.document({"committees": rows, "present": args.present, "lying": args.lying, "suite": args.suite})
        return 0
    out.table(
        ("members", "of them may lie", "decide", "may be away", "decide when asked", "too many lie", "signatures", ""),
        [
            (
                row["members"],
                row["liars"],
                row["quorum"],
                row["absent"],
                f"{row['availability']:.4%}",
                f"{row['premise_broken']:.1e}",
                f"{row['signatures_bytes'] / 1000:.1f} kB",
                "usual" if row["is_usual"] else "",
            )
            for row in rows
        ],
        colours={"usual": "green"},
    )
    out.line()
    out.line(f"each member there {args.present:.4g} of the time and lying with probability {args.lying:.4g}, by itself")
    out.line("choose members that run on mains power, at different outlets, brokers and owners; never by lot")
    return 0


def _committees(args: Namespace) -> list[tuple[Committee, bool]]:
    """Those to compare, and whether they are what suits the site."""
    try:
        if args.members is not None:
            liars = (args.members - 1) // 3 if args.liars is None else args.liars
            return [(Committee(args.members, liars), False)]
        if args.liars is not None:
            raise UsageError("--liars needs --members")
        suits = usual(args.devices, are_sleepy=args.sleepy)
    except ValueError as error:
        raise UsageError(str(error)) from None
    offered = [Committee(members, liars) for members, liars in OFFERED if members <= args.devices]
    if suits not in offered:
        offered.append(suits)
    return [(committee, committee == suits) for committee in offered]


def _row(committee: Committee, is_usual: bool, args: Namespace) -> dict[str, Any]:
    return {
        "members": committee.members,
        "liars": committee.liars,
        "quorum": committee.quorum,
        "absent": committee.absent,
        "witnesses": committee.witnesses,
        "availability": committee.availability(args.present),
        "premise_broken": committee.premise_broken(args.lying),
        "signatures_bytes": committee.quorum * SUITE_BY_NAME[args.suite].signature_bytes,
        "is_usual": is_usual,
    }
