"""`synedge models`: what a model file holds, which engine takes it and why, what it answers, and the agents' models."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Any

from edge.cli import conversion, execution
from edge.cli.options import add_command, add_config, add_json, load_config
from edge.cli.output import Output, bytes_text, visible
from edge.errors import DataError, SynedgeError
from edge.nn.graph import OMITTED, Graph, Operator, Quantisation, Subgraph, Tensor
from edge.nn.schema import ACTIVATIONS, OPTIONS, PADDINGS

ENUMS = {"padding": PADDINGS, "fused_activation_function": ACTIVATIONS}
STATE = "VAR_HANDLE"


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listing = add_command(
        commands,
        "list",
        "the models of the configured agents, and which engine takes each",
        "models list --config pump-7/synedge.toml",
    )
    add_config(listing)
    inspect = add_command(
        commands,
        "inspect",
        "operators, shapes and quantisation of a .tflite file, and which engine takes it and why",
        "models inspect bearing.tflite",
        "models inspect bearing.tflite --json",
    )
    inspect.add_argument("file", metavar="FILE", help="a .tflite file")
    running = add_command(
        commands,
        "run",
        "what a model answers",
        "models run bearing.tflite --input reading.json",
        "models run bearing.tflite --input random:7 --backend tflite --json",
    )
    verifying = add_command(
        commands,
        "verify",
        "do two engines give the same answers, and where and by how much do they differ",
        "models verify bearing.tflite",
        "models verify bearing.tflite --against tflite --runs 100 --within 1e-4",
    )
    execution.arguments(running, verifying)
    convert = add_command(
        commands,
        "convert",
        "a network of FANN to .tflite, and how far their answers are apart",
        "models convert bearing.net bearing.tflite",
        "models convert bearing.net bearing.tflite --int8 bearing.data",
    )
    conversion.arguments(convert)
    for child in commands.choices.values():
        add_json(child)


def run(args: Namespace, out: Output) -> int:
    commands = {"list": _list, "inspect": _inspect, "convert": conversion.convert}
    return (commands | {"run": execution.run, "verify": execution.verify})[args.what](args, out)


def _list(args: Namespace, out: Output) -> int:
    from edge.cli.agents import live_agents

    config = load_config(args)
    live, silence = live_agents(config)
    rows = [
        _row(agent.name, str(agent.model), (live or {}).get(agent.name, {}).get("engine"))
        for agent in config.agents
        if agent.model is not None
    ]
    if out.as_json:
        out.document({"running": live is not None, "silence": silence or None, "models": rows})
    elif not rows:
        out.line(f"no agent with a model in {config.origin}")
    else:
        columns = ("agent", "model", "size", "sha256", "input", "output", "engine", "runs on", "fault")
        out.table(columns, [_cells(row) for row in rows])
        if live is None:
            out.line(f"runs on: {silence}")
    return 0


def _row(agent: str, path: str, runs_on: str | None) -> dict[str, Any]:
    """One agent's model as it is on the disk now; `engine` is what a start would choose here."""
    from edge.shell.engines import choose_model

    row: dict[str, Any] = {"agent": agent, "model": path, "runs_on": runs_on}
    none = dict.fromkeys(("bytes", "sha256", "input", "output", "engine"))
    try:
        choice = choose_model(path)
    except SynedgeError as error:
        return {**row, **none, "fault": str(error)}
    model = choice.model
    try:
        return {
            **row,
            "bytes": choice.bytes,
            "sha256": model.digest.hex(),
            "input": {"shape": model.input.shape, "dtype": model.input.dtype},
            "output": {"shape": model.output.shape, "dtype": model.output.dtype},
            "engine": choice.engine.name,
            "fault": None,
        }
    finally:
        model.close()


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    ends = (f"{list(end['shape'])} {end['dtype']}" if (end := row[key]) else None for key in ("input", "output"))
    size, digest = row["bytes"], row["sha256"]
    return (
        row["agent"],
        row["model"],
        bytes_text(size) if size else None,
        digest[:12] if digest else None,
        *ends,
        row["engine"],
        row["runs_on"],
        row["fault"],
    )


def _inspect(args: Namespace, out: Output) -> int:
    """Exit code 65 when no engine here takes the file."""
    from edge.nn.tflite import read
    from edge.shell.engines import examine
    from edge.shell.engines.modelfile import read_model

    file = read_model(args.file)
    try:
        graph, fault = read(file.data, file.path), None
    except DataError as error:  # an engine may take it all the same
        graph, fault = None, str(error)
    engines = examine(file)
    taker = next((report.name for report in engines if report.ok), None)
    found = {
        "file": file.path,
        "bytes": len(file.data),
        "sha256": file.digest.hex(),
        "engine": taker,
        "engines": [{"engine": one.name, "takes_it": one.ok, "why_not": one.why or None} for one in engines],
        "fault": fault,
        **(describe(graph) if graph else {}),
    }
    if out.as_json:
        out.document(found)
    else:
        _show(out, found)
    return 0 if taker else DataError.code


def describe(graph: Graph) -> dict[str, Any]:
    """What a model is, as a document. Its weights are the constants of the first subgraph that take part in sums."""
    main = graph.subgraphs[0]
    weights = [tensor for tensor in main.tensors if tensor.data and (tensor.quantisation or tensor.dtype[0] == "f")]
    names = Counter(operator.name for part in graph.subgraphs for operator in part.operators)
    return {
        "description": graph.description,
        "inputs": [_tensor(main, index) for index in main.inputs],
        "outputs": [_tensor(main, index) for index in main.outputs],
        "parameters": sum(tensor.values for tensor in weights),
        "parameter_bytes": sum(len(tensor.data or b"") for tensor in weights),
        "keeps_state": STATE in names or any(tensor.is_variable for tensor in main.tensors),
        "operator_counts": dict(names.most_common()),
        "subgraphs": [
            {"name": part.name, "operators": [_operator(part, operator) for operator in part.operators]}
            for part in graph.subgraphs
        ],
    }


def _operator(part: Subgraph, operator: Operator) -> dict[str, Any]:
    return {
        "operator": operator.name,
        "version": operator.version,
        "inputs": [_tensor(part, index) for index in operator.inputs],
        "outputs": [_tensor(part, index) for index in operator.outputs],
        "options": {name: _option(name, value) for name, value in operator.options.items()},
    }


def _option(name: str, value: Any) -> Any:
    return ENUMS[name][value] if name in ENUMS else value


def _tensor(part: Subgraph, index: int) -> dict[str, Any] | None:
    """None: an optional input that is not there."""
    if index == OMITTED:
        return None
    tensor: Tensor = part.tensors[index]
    how: Quantisation | None = tensor.quantisation
    return {
        "tensor": index,
        "name": tensor.name,
        "shape": tensor.shape,
        "dtype": tensor.dtype,
        "constant": tensor.data is not None,
        "quantisation": how._asdict() if how else None,
    }


def _show(out: Output, found: dict[str, Any]) -> None:
    out.pairs(
        [
            ("file", found["file"]),
            ("size", f"{found['bytes']} bytes"),
            ("sha256", found["sha256"]),
            *([("fault", found["fault"])] if found["fault"] else _head(found)),
        ]
    )
    for part in found.get("subgraphs", []):
        out.line()
        out.line(visible(part["name"]) or "without a name")
        rows = [
            (
                number,
                one["operator"],
                _many(one["inputs"]),
                _many(one["outputs"]),
                _told(one["operator"], one["options"]),
            )
            for number, one in enumerate(part["operators"])
        ]
        out.table(("", "operator", "from", "to", "options"), rows)
    out.line()
    out.table(
        ("engine", "takes it", "why not"),
        [(one["engine"], one["takes_it"], one["why_not"]) for one in found["engines"]],
        colours={"yes": "green", "no": "yellow"},
    )


def _head(found: dict[str, Any]) -> list[tuple[str, object]]:
    return [
        ("description", found["description"] or None),
        *(("input", f"{one['name']}  {_short(one)}") for one in found["inputs"]),
        *(("output", f"{one['name']}  {_short(one)}") for one in found["outputs"]),
        ("parameters", f"{found['parameters']} in {bytes_text(found['parameter_bytes'])}"),
        ("keeps state", found["keeps_state"]),
    ]


def _told(operator: str, options: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Options that are not as the schema has them by itself; how edges are padded is always said."""
    known = OPTIONS.get(operator)
    plain = {field.name: _option(field.name, field.default) for field in known.fields} if known else {}
    return {name: value for name, value in options.items() if name == "padding" or (value and value != plain.get(name))}


def _many(tensors: list[dict[str, Any] | None]) -> str:
    return ", ".join(_short(one) for one in tensors) or "-"


def _short(one: dict[str, Any] | None) -> str:
    """Shape, type, scale@zero point: `1×3×40 int8 0.102@-128`; constants in parentheses."""
    if one is None:
        return "none"
    shape = "×".join(map(str, one["shape"])) or "scalar"
    text = f"{shape} {one['dtype']}"
    how = one["quantisation"]
    if how is not None:
        scales = how["scales"]
        text += f" {scales[0]:.4g}@{how['zero_points'][0]}" if len(scales) == 1 else f" {len(scales)} scales"
    return f"({text})" if one["constant"] else text
