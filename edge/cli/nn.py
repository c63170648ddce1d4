"""`synedge nn`: networks that are made here."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from edge.cli.options import add_command, add_example, add_json, at_least
from edge.cli.output import Output


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    train = add_command(
        commands,
        "train",
        "a perceptron, a cascade or a network that remembers, from a training set of FANN (.data)",
        "nn train valve.train --layers 16 --out valve.net --test valve.test",
        "nn train valve.train --layers 24,12 --activation RELU --algorithm adam --out valve.tflite --int8",
        "nn train valve.train --net valve.net --epochs 50 --out valve.net",
        "nn train valve.train --algorithm cascade --neurons 12 --out valve.net",
        "nn train steps.train --sequence 50 --units 24 --truncate 20 --out valve.tflite",
    )
    _train_arguments(train)
    add_json(train)
    add_example(parser, "nn train valve.train --layers 16 --out valve.net --test valve.test")


def _train_arguments(parser: ArgumentParser) -> None:
    from edge.nn.train import ALGORITHMS, LOSSES

    parser.add_argument("data", metavar="DATA", type=Path, help="the training set: rows inputs outputs, then the rows")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="the .net or .tflite file to write")
    parser.add_argument("--test", metavar="DATA", type=Path, help="rows that are not trained on, to judge it by")
    what = parser.add_argument_group("what is trained")
    what.add_argument(
        "--layers", metavar="N,N", type=_widths, help="widths of hidden layers, or none (16; none with --sequence)"
    )
    what.add_argument(
        "--sequence", metavar="N", type=at_least(1), help="every N rows are a sequence: a network that remembers (GRU)"
    )
    what.add_argument("--units", metavar="N", type=at_least(1), help="of the layer that remembers (16)")
    what.add_argument("--net", metavar="FILE", type=Path, help="instead: go on with a network of FANN, as it says")
    what.add_argument("--activation", metavar="NAME", help="of hidden neurons, as in .tflite or .net (TANH)")
    what.add_argument("--output", metavar="NAME", help="activation of outputs (as the set asks for)")
    how = parser.add_argument_group("how")
    how.add_argument("--algorithm", choices=(*ALGORITHMS, "cascade"), help="(irprop, which is iRPROP-)")
    how.add_argument("--loss", choices=LOSSES, help="(as the outputs ask for)")
    how.add_argument("--epochs", type=at_least(1), metavar="N", help="passes over the set at most (300)")
    how.add_argument("--truncate", type=at_least(1), metavar="N", help="steps that errors go back (a whole sequence)")
    how.add_argument("--skip", type=at_least(0), metavar="N", help="first steps of a sequence that are not judged (0)")
    how.add_argument("--neurons", type=at_least(0), metavar="N", help="that a cascade may grow (30)")
    how.add_argument("--until", type=at_least(0, whole=False), metavar="LOSS", help="end when the loss is as low")
    how.add_argument("--seed", type=_seed, default=0, metavar="N", help="same seed, same network (0)")
    how.add_argument("--rate", type=at_least(0, whole=False), metavar="X", help="learning rate (of the algorithm)")
    how.add_argument("--momentum", type=at_least(0, whole=False), metavar="X", help="of sgd (0.9)")
    how.add_argument("--batch", type=at_least(0), metavar="N", help="rows to a step, 0: all (of the algorithm)")
    parser.add_argument("--int8", action="store_true", help="quantise the .tflite; the training set shows its inputs")
    parser.add_argument("--plot", metavar="FILE", help="the course as a PNG; needs the extra synedge[plot]")
    parser.add_argument("--curve", action="store_true", help="draw the course here, too, where this is no terminal")


def run(args: Namespace, out: Output) -> int:
    from edge.cli.training import train

    return train(args, out)


def _seed(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 1 << 64:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number from 0 to 2^64 - 1")


def _widths(text: str) -> tuple[int, ...]:
    try:
        widths = () if text == "none" else tuple(map(int, text.split(",")))
        if all(width > 0 for width in widths):
            return widths
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not allowed; allowed: widths from 1 joined by commas, or none")
