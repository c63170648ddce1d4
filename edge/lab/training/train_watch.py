"""Trains the demo's exercise classifier, writes `activity.tflite` and `activity.json`, measures it on unseen people.

    python -m venv train && train/bin/pip install numpy==2.4.6
    train/bin/pip download --no-deps seglearn==1.2.5
    train/bin/python -m edge.lab.training.train_watch seglearn-1.2.5-py3-none-any.whl

`--cross-validate` repeats the choice of the network: leave one person out among the five trained people only. Fixed
seed, one BLAS thread: the same file on the same numpy and CPU family; elsewhere the last bits of sums may differ.
"""

import argparse
import gzip
import json
import os
import platform
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from edge.lab.training.conv_net import ConvNet, Layer, Settings
from edge.lab.training.watch_set import CHANNELS, EXERCISES, HELD_OUT, TRAINED, Recording, load
from edge.lab.watch import FOLDER, interval, streams, true_label, wilson
from edge.nn.draft import Draft
from edge.nn.schema import ACTIVATIONS, PADDINGS
from edge.nn.tflite_writer import write_tflite

SIZE, STEP, SEED = 128, 64, 0
LAYERS = (Layer(6, 2, 6, 24), Layer(5, 2, 24, 32), Layer(5, 2, 32, 32), Layer(3, 1, 32, 48))
SPEEDS = (0.75, 1.0, 1.33)
"""The exercises are also learnt slower and faster: people differ most in pace."""
TRAIN_STEP = 48
RELU = {"fused_activation_function": ACTIVATIONS.index("RELU")}
TILT_RAD = 0.2
"""Standard deviation of a random rotation: watches sit differently on every wrist."""
GAIN = 0.2
MIRROR = np.array([-1, 1, 1, 1, -1, -1], np.float32)
"""The other arm: a reflection turns the x axis round, and as a pseudovector the rotation about y and z."""


def windows(samples: Any, step: int) -> Any:
    """All windows of one recording, [n, SIZE, 6] float32."""
    starts = np.arange(0, len(samples) - SIZE + 1, step)
    return samples[starts[:, None] + np.arange(SIZE)].astype(np.float32)


def at_speed(samples: Any, speed: float) -> Any:
    """The recording as if moved at another pace; turn rates change with it, accelerations are left as they are."""
    at = np.arange(int((len(samples) - 1) / speed)) * speed
    below = at.astype(int)
    share = (at - below)[:, None]
    played = samples[below] * (1 - share) + samples[below + 1] * share
    played[:, 3:] *= speed
    return played


def training_windows(recordings: list[Recording]) -> tuple[Any, Any]:
    """Inputs and classes at all speeds."""
    inputs, classes = [], []
    for recording in recordings:
        for speed in SPEEDS:
            cut = windows(at_speed(recording.samples, speed), TRAIN_STEP)
            inputs.append(cut)
            classes.append(np.full(len(cut), recording.exercise))
    return np.concatenate(inputs), np.concatenate(classes)


def varied(x: Any, rng: Any) -> Any:
    """The other arm half of the time, a slight tilt of the watch, and another vigour of turning."""
    x = np.where((rng.random(len(x)) < 0.5)[:, None, None], x * MIRROR, x)
    axis = rng.normal(size=(len(x), 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = rng.normal(size=(len(x), 1, 1)) * TILT_RAD
    zero = np.zeros(len(x))
    a, b, c = axis.T
    cross = np.stack([zero, -c, b, c, zero, -a, -b, a, zero], 1).reshape(-1, 3, 3)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)  # Rodrigues' formula
    turn = turn.astype(np.float32).transpose(0, 2, 1)
    gain = rng.uniform(1 - GAIN, 1 + GAIN, (len(x), 1, 1)).astype(np.float32)
    return np.concatenate([x[:, :, :3] @ turn, x[:, :, 3:] @ turn * gain], 2)


def train(recordings: list[Recording], settings: Settings) -> tuple[ConvNet, Any]:
    """A network and the scale of its inputs: one for the accelerometer, one for the gyroscope."""
    rng = np.random.default_rng(SEED)
    inputs, classes = training_windows(recordings)
    scale = np.repeat([inputs[:, :, :3].std(), inputs[:, :, 3:].std()], 3).astype(np.float32)
    net = ConvNet(LAYERS, len(EXERCISES), rng)
    batches = len(inputs) // settings.batch
    for step in range(settings.epochs * batches):
        if step % batches == 0:
            order = rng.permutation(len(inputs))
        mine = order[step % batches * settings.batch :][: settings.batch]
        rate = settings.rate * 0.5 * (1 + np.cos(np.pi * step / (settings.epochs * batches)))
        net.learn(varied(inputs[mine], rng) / scale, classes[mine], rate, settings, rng)
    return net, scale


def export(net: ConvNet, scale: Any) -> bytes:
    """The network as a `.tflite` that takes raw values: the scale is folded into the first layer."""
    draft, steps = Draft(), SIZE
    window = draft.tensor("window", (1, SIZE, len(CHANNELS)))

    def reshape(source: int, shape: tuple[int, ...], name: str) -> int:
        wanted = draft.constant(f"{name}_shape", (len(shape),), shape, "int32")
        out = draft.tensor(name, shape)
        draft.operator("RESHAPE", (source, wanted), (out,))
        return out

    last = reshape(window, (1, SIZE, 1, len(CHANNELS)), "image")
    for number, layer in enumerate(net.layers):
        kernel = net.weights[2 * number].reshape(layer.kernel, layer.inputs, layer.outputs)
        kernel = (kernel / scale[None, :, None] if number == 0 else kernel).transpose(2, 0, 1)
        shape = (layer.outputs, layer.kernel, 1, layer.inputs)
        weight = draft.constant(f"conv{number}_weight", shape, kernel.astype(np.float32).ravel().tolist())
        bias = draft.constant(f"conv{number}_bias", (layer.outputs,), net.weights[2 * number + 1].tolist())
        steps = layer.length(steps)
        out = draft.tensor(f"conv{number}", (1, steps, 1, layer.outputs))
        draft.operator("CONV_2D", (last, weight, bias), (out,), {**strides(layer.stride), **RELU})
        last = out
    width = net.layers[-1].outputs
    pooled = draft.tensor("pooled", (1, 1, 1, width))
    draft.operator("AVERAGE_POOL_2D", (last,), (pooled,), {**strides(1), "filter_width": 1, "filter_height": steps})
    flat = reshape(pooled, (1, width), "flat")
    weight = draft.constant("dense_weight", (net.classes, width), net.weights[-2].T.ravel().tolist())
    bias = draft.constant("dense_bias", (net.classes,), net.weights[-1].tolist())
    logits, out = draft.tensor("logits", (1, net.classes)), draft.tensor("probabilities", (1, net.classes))
    draft.operator("FULLY_CONNECTED", (flat, weight, bias), (logits,), {"fused_activation_function": 0})
    draft.operator("SOFTMAX", (logits,), (out,), {"beta": 1.0})
    return write_tflite(draft.graph([window], [out], "synedge demo: shoulder exercises from a smartwatch"))


def strides(height: int) -> dict[str, int]:
    """Steps of `height` along time, none left out at the edges."""
    return {"padding": PADDINGS.index("VALID"), "stride_w": 1, "stride_h": height}


def tally(net: ConvNet, scale: Any, recordings: list[Recording]) -> dict[int, tuple[int, int]]:
    """Per person: windows classified right, and all; every window of every recording."""
    counts: dict[int, tuple[int, int]] = {}
    for recording in recordings:
        cut = windows(recording.samples, STEP)
        right, total = counts.get(recording.person, (0, 0))
        right += int((net.forward(cut / scale).argmax(1) == recording.exercise).sum())
        counts[recording.person] = (right, total + len(cut))
    return counts


def tally_slice(net: ConvNet, scale: Any) -> dict[int, tuple[int, int]]:
    """The same for the packaged slice as an agent meets it: windows across a change of exercise count too."""
    counts: dict[int, tuple[int, int]] = {}
    for stream in streams():
        with gzip.open(stream.recording, "rt") as file:
            table = np.loadtxt(file, delimiter=",", skiprows=1)
        guesses = net.forward(windows(table[:, 1:], STEP) / scale).argmax(1)
        for number, guess in enumerate(guesses):
            start = int(table[number * STEP, 0])
            truth = true_label(stream.labels, start, start + SIZE * 20)
            right, total = counts.get(stream.person, (0, 0))
            counts[stream.person] = (right + (EXERCISES[guess] == truth.label), total + 1)
    return counts


def accuracy(counts: dict[int, tuple[int, int]]) -> dict[str, Any]:
    """The figures as `activity.json` holds them."""
    right, total = sum(k for k, _ in counts.values()), sum(n for _, n in counts.values())
    return {
        "value": round(right / total, 4),
        "right": right,
        "n": total,
        "wilson95": [round(bound, 4) for bound in wilson(right, total)],
        "ci95_by_person": [round(bound, 4) for bound in interval(counts)],
        "per_person": {str(person): [k, n] for person, (k, n) in sorted(counts.items())},
    }


def describe(everyone: dict[str, Any], sliced: dict[str, Any], model: bytes) -> dict[str, Any]:
    """What `activity.json` says beside the model."""
    return {
        "model": "activity.tflite",
        "model_bytes": len(model),
        "labels": list(EXERCISES),
        "fields": list(CHANNELS),
        "interval_ms": 20,
        "window": {"size": SIZE, "step": STEP},
        "features": [],
        "scaling": None,
        "input": f"the raw window, row-major [{SIZE}, {len(CHANNELS)}], g and rad/s; scaling is inside the first layer",
        "trained_on": list(TRAINED),
        "held_out": list(HELD_OUT),
        "accuracy_held_out": everyone,
        "accuracy_slice": sliced,
        "dataset": "seglearn 1.2.5 watch_dataset",
        "command": "python -m edge.lab.training.train_watch seglearn-1.2.5-py3-none-any.whl",
        "made_with": {"numpy": np.__version__, "machine": platform.machine(), "seed": SEED},
    }


def cross_validate(recordings: list[Recording]) -> None:
    """Leave one trained person out: what the architecture and the settings were chosen by."""
    scores = []
    for person in TRAINED:
        net, scale = train([r for r in recordings if r.person in TRAINED and r.person != person], Settings())
        ((right, total),) = tally(net, scale, [r for r in recordings if r.person == person]).values()
        scores.append(right / total)
        print(f"person {person} left out: {right / total:.3f} of {total} windows", flush=True)
    print(f"mean {np.mean(scores):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo's exercise classifier.")
    parser.add_argument("wheel", type=Path, help="seglearn-1.2.5-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where activity.tflite and activity.json go")
    parser.add_argument("--cross-validate", action="store_true", help="only repeat the choice of the network")
    arguments = parser.parse_args()
    recordings = load(arguments.wheel)
    if arguments.cross_validate:
        cross_validate(recordings)
        return
    net, scale = train([r for r in recordings if r.person in TRAINED], Settings())
    model = export(net, scale)
    everyone = accuracy(tally(net, scale, [r for r in recordings if r.person in HELD_OUT]))
    told = describe(everyone, accuracy(tally_slice(net, scale)), model)
    (arguments.out / "activity.tflite").write_bytes(model)
    (arguments.out / "activity.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps({key: told[key] for key in ("accuracy_held_out", "accuracy_slice")}, indent=2))


if __name__ == "__main__":
    main()
