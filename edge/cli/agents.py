"""`synedge agents`: which there are, and whether one fires on a recorded file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from edge.cli.options import add_command, add_config, add_json, at_least, load_config
from edge.cli.output import Output
from edge.config import Config
from edge.errors import PermissionsError, SynedgeError, UnavailableError
from edge.nn.detectors import DRIFT_KINDS
from edge.shell.control import ask

ROWS = 40
NAMES_SHOWN = 16


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    add_command(
        commands,
        "list",
        "the configured agents, and what they did if the agent runs",
        "agents list --config pump-7/synedge.toml",
    )
    test = add_command(
        commands,
        "test",
        "run agents on a recording, offline: does my model fire on this?",
        "agents test --input recording.csv",
        "agents test --input recording.csv.gz --agent bearing --limit 0 --json",
    )
    test.add_argument("--input", required=True, metavar="FILE", help="CSV with a header line, plain or .gz")
    test.add_argument("--agent", metavar="NAME", help="only this one")
    test.add_argument(
        "--limit", type=at_least(0), default=ROWS, metavar="N", help=f"windows in the table ({ROWS}); 0 for all"
    )
    for child in commands.choices.values():
        add_config(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    return _list(args, out) if args.what == "list" else _test(args, out)


def _list(args: Namespace, out: Output) -> int:
    config = load_config(args)
    live, silence = live_agents(config)
    rows = [_row(config, index, live) for index in range(len(config.agents))]
    if out.as_json:
        out.document({"running": live is not None, "silence": silence or None, "agents": rows})
    elif not rows:
        out.line(f"no [[agent]] in {config.origin}")
    else:
        out.table(
            ("agent", "source", "window", "model", "decide", "engine", "events", "fault"),
            [
                tuple(
                    row[key]
                    for key in ("agent", "source", "window", "model_name", "decide", "engine", "events", "fault")
                )
                for row in rows
            ],
        )
        if live is None:
            out.line(f"no events and engines: {silence}")
    return 0


def live_agents(config: Config) -> tuple[dict[str, Any] | None, str]:
    """What the running agent says, or None and why it says nothing."""
    try:
        answer = ask(config.node.control_socket, "agents")
    except (UnavailableError, PermissionsError) as error:
        return None, str(error)
    return (answer, "") if isinstance(answer, dict) else (None, "the agent's answer is not understood")


def _row(config: Config, index: int, live: dict[str, Any] | None) -> dict[str, Any]:
    agent = config.agents[index]
    window, decide, detector = (agent.options.get(key) for key in ("window", "decide", "detector"))
    size = window.get("size") if isinstance(window, dict) else 1
    step = window.get("step", size) if isinstance(window, dict) else 1
    now = (live or {}).get(agent.name, {})
    return {
        "agent": agent.name,
        "source": agent.source,
        "window": f"{size}/{step}",
        "model": str(agent.model) if agent.model else None,
        "model_name": agent.model.name if agent.model else kind_of(detector),
        "detector": kind_of(detector),
        "decide": kind_of(decide) or ("drift" if kind_of(detector) in DRIFT_KINDS else "value"),
        "engine": now.get("engine"),
        "events": now.get("events"),
        "fault": now.get("fault"),
        "live": now or None,
    }


def kind_of(value: object) -> str | None:
    """Of a table with a kind, or of a name alone."""
    found = value.get("kind") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _test(args: Namespace, out: Output) -> int:
    from edge.cli.trial import Trial, try_agent

    config = load_config(args, check_files=True)
    chosen = [agent for agent in config.agents if args.agent in (None, agent.name)]
    if not chosen:
        from edge.config.loader import suggestion
        from edge.errors import UsageError

        names = [agent.name for agent in config.agents]
        said = f"--agent {args.agent}: no such agent{suggestion(args.agent, names)}" if args.agent else "no [[agent]]"
        shown = ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if (more := len(names) - NAMES_SHOWN) > 0 else "")
        raise UsageError(f"{said}; allowed: {shown or f'none, for there is none in {config.origin}'}")
    trials: list[Trial] = []
    faults: list[dict[str, str]] = []
    for agent in chosen:
        try:
            trials.append(try_agent(config, agent, Path(args.input)))
        except SynedgeError as error:
            if len(chosen) == 1:
                raise
            faults.append({"agent": agent.name, "error": str(error)})
    if not trials:
        from edge.errors import DataError

        raise DataError("; ".join(f"{fault['agent']}: {fault['error']}" for fault in faults))
    if out.as_json:
        out.document({"input": args.input, "agents": [trial.document() for trial in trials], "failed": faults})
        return 0
    for trial in trials:
        trial.show(out, args.limit)
    for fault in faults:
        out.line(f"{fault['agent']}: {fault['error']}")
    return 0
