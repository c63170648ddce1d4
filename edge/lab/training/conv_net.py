"""A small 1-D convolutional network in numpy: forward, backward, Adam. Development only; devices run the exported file.

Layers: convolutions (valid padding, ReLU), the mean over time, dropout, one dense layer, softmax.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Layer(NamedTuple):
    """One convolution: kernel length, stride, channels in and out."""

    kernel: int
    stride: int
    inputs: int
    outputs: int

    def length(self, steps: int) -> int:
        """How many steps come out of `steps`."""
        return (steps - self.kernel) // self.stride + 1


class Settings(NamedTuple):
    """How it is trained."""

    epochs: int = 60
    batch: int = 64
    rate: float = 3e-3
    """Adam's, decaying to 0 along a half cosine."""
    decay: float = 0.1
    """Weight decay, times the rate, decoupled (AdamW, Loshchilov and Hutter 2019)."""
    dropout: float = 0.3
    smoothing: float = 0.05
    """Label smoothing: keeps the probabilities from saturating."""


class ConvNet:
    """Parameters, in the order conv weight [kernel * in, out], bias, ..., dense weight [in, classes], bias."""

    def __init__(self, layers: Sequence[Layer], classes: int, rng: Any) -> None:
        self.layers, self.classes = tuple(layers), classes
        self.weights: list[Any] = []
        for layer in self.layers:
            width = layer.kernel * layer.inputs
            self.weights += [rng.normal(size=(width, layer.outputs)) * np.sqrt(2 / width), np.zeros(layer.outputs)]
        width = self.layers[-1].outputs
        self.weights += [rng.normal(size=(width, classes)) * np.sqrt(1 / width), np.zeros(classes)]
        self.weights = [weight.astype(np.float32) for weight in self.weights]
        self._first = [np.zeros_like(weight) for weight in self.weights]
        self._second = [np.zeros_like(weight) for weight in self.weights]
        self._steps = 0
        self._kept: list[tuple[Any, Any, tuple[int, ...]]] = []

    def forward(self, x: Any, mask: Any = None) -> Any:
        """Class probabilities for windows [n, steps, channels]."""
        self._kept = []
        for number, layer in enumerate(self.layers):
            count, steps = len(x), layer.length(x.shape[1])
            taps = (np.arange(steps) * layer.stride)[:, None] + np.arange(layer.kernel)
            columns = x[:, taps].reshape(count * steps, -1)
            out = np.maximum(columns @ self.weights[2 * number] + self.weights[2 * number + 1], 0)
            out = out.reshape(count, steps, layer.outputs)
            self._kept.append((columns, out, x.shape))
            x = out
        self._pooled = x.mean(1) if mask is None else x.mean(1) * mask
        logits = self._pooled @ self.weights[-2] + self.weights[-1]
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def learn(self, x: Any, y: Any, rate: float, settings: Settings, rng: Any) -> None:
        """One step of Adam on one batch."""
        keep = 1 - settings.dropout
        mask = ((rng.random((len(x), self.layers[-1].outputs)) < keep) / keep).astype(np.float32)
        given = self.forward(x, mask)
        wanted = np.full_like(given, settings.smoothing / self.classes)
        wanted[np.arange(len(y)), y] += 1 - settings.smoothing
        self._update(self._gradients((given - wanted) / len(y), mask), rate, settings.decay)

    def _gradients(self, error: Any, mask: Any) -> list[Any]:
        gradients: list[Any] = [None] * len(self.weights)
        gradients[-2], gradients[-1] = self._pooled.T @ error, error.sum(0)
        steps = self._kept[-1][1].shape[1]
        back = np.repeat(((error @ self.weights[-2].T) * mask / steps)[:, None], steps, 1)
        for number in range(len(self.layers) - 1, -1, -1):
            layer, (columns, out, shape) = self.layers[number], self._kept[number]
            through = (back * (out > 0)).reshape(-1, layer.outputs)
            gradients[2 * number], gradients[2 * number + 1] = columns.T @ through, through.sum(0)
            if number:
                taps = (through @ self.weights[2 * number].T).reshape(shape[0], -1, layer.kernel, layer.inputs)
                back, span = np.zeros(shape, np.float32), layer.stride * (taps.shape[1] - 1) + 1
                for tap in range(layer.kernel):
                    back[:, tap : tap + span : layer.stride] += taps[:, :, tap]
        return gradients

    def _update(self, gradients: list[Any], rate: float, decay: float) -> None:
        """Adam with decoupled weight decay; biases do not decay."""
        self._steps += 1
        for at, gradient in enumerate(gradients):
            self._first[at] += 0.1 * (gradient - self._first[at])
            self._second[at] += 0.001 * (gradient * gradient - self._second[at])
            if gradient.ndim == 2:
                self.weights[at] *= 1 - rate * decay
            spread = np.sqrt(self._second[at] / (1 - 0.999**self._steps)) + 1e-8
            self.weights[at] -= rate * self._first[at] / (1 - 0.9**self._steps) / spread
