"""`synedge config`: is the file right, and where does each value come from."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from edge.cli.options import add_command, add_config, add_json, load_config
from edge.cli.output import Output

if TYPE_CHECKING:
    from edge.config import Config


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, summary in (
        ("check", "exit 0 when the file is right and what it names is there, 78 with the reason when not"),
        ("show", "every key in force with its value, and where it comes from"),
    ):
        child = add_command(commands, name, summary, f"config {name} --config pump-7/synedge.toml")
        add_config(child)
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    return _check(args, out) if args.what == "check" else _show(args, out)


def _check(args: Namespace, out: Output) -> int:
    config = load_config(args, check_files=True)
    notes = site_notes(config)
    if out.as_json:
        facts = {"sources": len(config.sources), "agents": len(config.agents), "notes": notes}
        out.document({"ok": True, "file": str(config.origin), "node": config.node.name, **facts})
        return 0
    out.line(f"{config.origin}: right ({len(config.sources)} sources, {len(config.agents)} agents)")
    for note in notes:
        out.line(f"note: {note}")
    return 0


def _show(args: Namespace, out: Output) -> int:
    from edge.config.show import effective

    config = load_config(args)
    rows, notes = effective(config)
    if out.as_json:
        values = [{"key": row.key, "value": row.value, "source": row.source} for row in rows]
        out.document({"file": str(config.origin), "values": values, "notes": notes})
        return 0
    out.table(("key", "value", "source"), [(row.key, row.text, row.source) for row in rows])
    for note in notes:
        out.line(f"note: {note}; `synedge config check` says where")
    return 0


def site_notes(config: "Config") -> list[str]:
    """What is missing although the file is right: a device that is not yet a member of a site."""
    missing = [path for path in (config.site.authority, config.site.roster) if not path.exists()]
    return [f"{path} is not there yet: `synedge fleet add` on the site's machine makes it" for path in missing]
