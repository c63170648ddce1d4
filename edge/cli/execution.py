"""Runs a model on inputs that are given or drawn, and compares the answers of two back-ends on the same inputs."""

import hashlib
import json
import struct
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from math import inf, isnan
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from edge.cli.options import at_least
from edge.cli.output import Output
from edge.errors import DataError, UsageError
from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.backends import ModelFile
from edge.nn.errors import EngineError, InferenceError
from edge.nn.tensor import TensorSpec
from edge.shell.engines import BACKENDS, run_by
from edge.shell.engines.modelfile import read_model
from edge.shell.files import read_bounded

FLOAT_WITHIN = 1e-5
SHOWN = 12
"""Numbers of one answer that people get to see."""


def arguments(run: ArgumentParser, verify: ArgumentParser) -> None:
    """Of `models run` and `models verify`."""
    for parser, runs in ((run, 1), (verify, 10)):
        parser.add_argument("file", metavar="FILE", help="a .tflite file")
        parser.add_argument(
            "--input",
            metavar="INPUT",
            default="random:0",
            help="random:SEED, a .json file (numbers; a list of lists for several runs), or any other file: inputs as "
            "the model stores them, one after the other (random:0)",
        )
        parser.add_argument(
            "--runs", type=at_least(1), default=runs, metavar="N", help=f"how many random inputs ({runs})"
        )
        parser.add_argument("--backend", choices=list(BACKENDS), default="native", help="what runs it (native)")
    verify.add_argument(
        "--against", choices=list(BACKENDS), help="whom to compare with (litert if it is installed, else tflite)"
    )
    verify.add_argument(
        "--within",
        type=at_least(0, whole=False),
        metavar="X",
        help="call numbers equal that differ by no more: float32 in parts of the larger of 1 and the other's (1e-5), "
        "integers in steps (0)",
    )


class Answers(NamedTuple):
    """What a back-end said, run by run, in the model's own number formats; `about` is who it was."""

    about: dict[str, Any]
    input: TensorSpec
    output: TensorSpec
    given: tuple[bytes, ...]
    stored: tuple[bytes, ...]


def run(args: Namespace, out: Output) -> int:
    file = read_model(args.file)
    answers = ask(args.backend, file, args)
    rows = [_numbers(file, answers, number) for number in range(len(answers.stored))]
    found = {**_head(file, args, answers), **answers.about, "outputs": rows}
    if out.as_json:
        out.document(found)
        return 0
    out.pairs((name.replace("_", " "), value) for name, value in found.items() if name != "outputs")
    out.line()
    out.table(("run", "outputs"), [(number, _shortened(row)) for number, row in enumerate(rows)])
    return 0


def _numbers(file: ModelFile, answers: Answers, number: int) -> tuple[float, ...]:
    try:
        return answers.output.unpack(answers.stored[number])
    except InferenceError as error:
        raise InferenceError(f"model {file.path}: {answers.about['engine']}: run {number}: {error}") from None


def verify(args: Namespace, out: Output) -> int:
    """Exit code 1 when the answers differ."""
    file = read_model(args.file)
    ours = ask(args.backend, file, args)
    theirs = _other(file, args)
    if (ours.output.dtype, ours.output.shape) != (theirs.output.dtype, theirs.output.shape):
        raise DataError(f"model {file.path}: outputs of {ours.output} and {theirs.output}, which cannot be compared")
    is_float = ours.output.dtype == "float32"
    within = args.within if args.within is not None else FLOAT_WITHIN if is_float else 0
    apart = list(differences(ours.output, ours.stored, theirs.stored))
    beyond = [one for one in apart if one.distance > within]
    worst = max((one.distance for one in apart), default=0)
    found = {
        **_head(file, args, ours),
        "backends": [ours.about, theirs.about],
        "equal": not beyond,
        "within": within,
        "unit": "part" if is_float else "step",
        "values": ours.output.values * len(ours.stored),
        "distinct_answers": len(set(ours.stored)),
        "different": len(beyond),
        "difference_max": worst if worst < inf else None,
        "first": beyond[0].told() if beyond else None,
    }
    if out.as_json:
        out.document(found)
    else:
        _show(out, found)
    return 1 if beyond else 0


def ask(backend: str, file: ModelFile, args: Namespace) -> Answers:
    """One back-end's answers to the inputs that the command line names."""
    choice = run_by(backend, file)
    model = choice.model
    try:
        given = tuple(inputs(args.input, model.input, args.runs))
        stored = tuple(model.invoke(one) for one in given)
    finally:
        model.close()
    about = {
        "backend": backend,
        "engine": choice.engine.name,
        "version": choice.engine.version,
        "where": choice.engine.path,
        "output_sha256": hashlib.sha256(b"".join(stored)).hexdigest(),
    }
    return Answers(about, model.input, model.output, given, stored)


def _other(file: ModelFile, args: Namespace) -> Answers:
    if args.against is not None:
        if args.against == args.backend:
            raise UsageError(f"--against {args.against} is --backend itself (allowed: another one)")
        return ask(args.against, file, args)
    reasons = []
    for backend in ("litert", "tflite"):
        try:
            if backend != args.backend:
                return ask(backend, file, args)
        except EngineError as error:
            reasons.append(str(error))
    raise EngineError(f"nothing to compare with: {'; '.join(reasons)}")


def inputs(source: str, spec: TensorSpec, runs: int) -> Iterator[bytes]:
    """What `--input` names, in the form in which the model stores it. Raises DataError."""
    kind, _, seed = source.partition(":")
    if kind == "random":
        yield from _drawn(_seed(seed), spec, runs)
        return
    data = read_bounded(Path(source), MODEL_FILE_BYTES_MAX)
    if source.endswith(".json"):
        for row in _rows(source, data):
            if len(row) != spec.values:
                raise DataError(f"{source}: an input of {len(row)} numbers (allowed: {spec.values})")
            yield spec.pack(_packed(source, row))
        return
    size = spec.stored_bytes
    if not data or len(data) % size:
        raise DataError(f"{source}: {len(data)} bytes (allowed: {size}, or a multiple: {spec.dtype} {[*spec.shape]})")
    yield from (data[at : at + size] for at in range(0, len(data), size))


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--input random:{text} (allowed: random: and a whole number)") from None


def _drawn(seed: int, spec: TensorSpec, runs: int) -> Iterator[bytes]:
    """float32 from -1 to 1; integers around a level that rises and falls from run to run, as sounds do, since a
    streaming model hears nothing in noise. The same for the same seed everywhere."""
    rng, level = Random(seed), 0.0
    least = -128 if spec.dtype == "int8" else 0
    for _ in range(runs):
        if spec.dtype == "float32":
            yield struct.pack(spec.form, *(2 * rng.random() - 1 for _ in range(spec.values)))
            continue
        level = 0.8 * level + 200 * (rng.random() - 0.5)
        numbers = (int(128 + level + 100 * (rng.random() - 0.5)) for _ in range(spec.values))
        yield struct.pack(spec.form, *(min(max(q, 0), 255) + least for q in numbers))


def _rows(source: str, data: bytes) -> Sequence[Sequence[float]]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
    rows = found if isinstance(found, list) and found and all(isinstance(row, list) for row in found) else [found]
    for row in rows:
        if not isinstance(row, list) or not all(type(value) in (int, float) for value in row):
            raise DataError(f"{source}: not an input (allowed: a list of numbers, or a list of such lists)")
    return rows


def _packed(source: str, row: Sequence[float]) -> bytes:
    try:
        return struct.pack(f"<{len(row)}f", *row)
    except (OverflowError, struct.error):
        raise DataError(f"{source}: a number that float32 does not hold") from None


class Difference(NamedTuple):
    """One number about which two back-ends disagree."""

    run: int
    value: int
    ours: float
    theirs: float
    distance: float
    """float32: in parts of the larger of 1 and theirs; integers: in steps. Infinite where one is no number."""

    def told(self) -> dict[str, Any]:
        numbers = {"ours": self.ours, "theirs": self.theirs}
        return {"run": self.run, "value": self.value, **{k: x if abs(x) < inf else str(x) for k, x in numbers.items()}}


def differences(spec: TensorSpec, ours: Sequence[bytes], theirs: Sequence[bytes]) -> Iterator[Difference]:
    """Every number that is not the same in both."""
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one == other:
            continue
        pairs = zip(struct.unpack(spec.form, one), struct.unpack(spec.form, other), strict=True)
        for place, (a, b) in enumerate(pairs):
            if a != b and not (isnan(a) and isnan(b)):
                distance = abs(a - b) / max(1.0, abs(b)) if spec.dtype == "float32" else abs(a - b)
                yield Difference(number, place, a, b, distance if distance < inf else inf)


def _head(file: ModelFile, args: Namespace, answers: Answers) -> dict[str, Any]:
    return {
        "file": file.path,
        "sha256": file.digest.hex(),
        "input": {"shape": answers.input.shape, "dtype": answers.input.dtype, "from": args.input},
        "input_sha256": hashlib.sha256(b"".join(answers.given)).hexdigest(),
        "output": {"shape": answers.output.shape, "dtype": answers.output.dtype},
        "runs": len(answers.given),
    }


def _shortened(row: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.6g}" for value in row[:SHOWN])
    return shown if len(row) <= SHOWN else f"{shown}, … ({len(row)} in all)"


def _show(out: Output, found: dict[str, Any]) -> None:
    ours, theirs = found["backends"]
    names = f"{ours['engine']} {ours['version']}", f"{theirs['engine']} {theirs['version']}"
    verdict = "equal" if found["equal"] else f"{found['different']} of {found['values']} numbers differ"
    first = found["first"]
    out.pairs(
        [
            ("file", found["file"]),
            ("compared", f"{names[0]} with {names[1]}"),
            ("runs", f"{found['runs']}, {found['distinct_answers']} distinct answers"),
            ("numbers", f"{found['values']} {found['output']['dtype']}"),
            ("verdict", verdict),
            ("largest difference", f"{found['difference_max']} {found['unit']}s (allowed: {found['within']})"),
        ]
    )
    if first:
        where = f"run {first['run']}, number {first['value']}"
        out.line(f"first at {where}: {first['ours']} and {first['theirs']}")
