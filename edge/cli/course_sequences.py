"""The training of a network that remembers: a gated recurrent layer and what comes behind it, on sequences."""

from argparse import Namespace
from typing import Any

from edge.cli.course import ACTIVATION, Stepwise
from edge.errors import UsageError
from edge.nn.export_recurrent import export_recurrent
from edge.nn.fann_data import Data
from edge.nn.recurrent import RECURRENT_RULES, Recurrent, RecurrentNetwork, RecurrentTrainer, Sequences
from edge.nn.trainable import check_tflite, layered

UNITS = 16


class Sequential(Stepwise):
    """Rows follow one another; every `steps` of them begin anew."""

    def __init__(self, args: Namespace):
        self.steps, self.skip = args.sequence, args.skip or 0
        self._refuse(args)
        super().__init__(args)
        hidden, units = args.layers or (), args.units or UNITS
        head = layered([units, *hidden, self.data.outputs], args.activation or ACTIVATION, self.output)
        check_tflite(head)
        self.rule = self._given(RECURRENT_RULES[args.algorithm or "irprop"])
        self.algorithm = self.rule.algorithm
        self._recurrent = Recurrent(self.data.inputs, units, head)
        network = RecurrentNetwork(self._recurrent, self._loss(head), args.truncate or self.steps)
        sequences = self.as_set(self.data)
        trainer = RecurrentTrainer(network, sequences, self.rule, network.first_weights(args.seed), seed=args.seed)
        is_whole = self.rule.batch == 0 or self.rule.batch >= sequences.sequences
        self.begin(network, head, sequences, trainer, is_whole=is_whole)

    def as_set(self, data: Data) -> Any:
        return Sequences(data, self.steps, self.skip)

    def tflite(self) -> bytes:
        assert self.best is not None
        return export_recurrent(self._recurrent, self.best.weights, self.note)

    def widths(self) -> list[int]:
        return [self._recurrent.inputs, *super().widths()]

    @staticmethod
    def _refuse(args: Namespace) -> None:
        if args.algorithm == "cascade" or args.net:
            raise UsageError("--sequence: a network that remembers begins anew and does not grow")
        if args.out.suffix != ".tflite" or args.int8:
            raise UsageError("--sequence: a network that remembers is written as .tflite, in float32")
