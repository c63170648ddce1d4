"""Makes `edge/shell/engines/one_op.tflite`, the model that every engine must run before it is trusted.

python -m edge.lab.training.make_one_op
"""

from pathlib import Path

from edge.lab.training import tflite_writer as w

TARGET = Path(__file__).parents[2] / "shell" / "engines" / "one_op.tflite"


def one_op() -> bytes:
    """y = W x + b with W = 0.0, 0.1 .. 1.1 by rows and b = 1, 2, 3: for x = 1, 2, 3, 4 it is 3, 8, 13."""
    tensors = [
        w.Tensor("x", (1, 4)),
        w.Tensor("W", (3, 4), data=[i / 10 for i in range(12)]),
        w.Tensor("b", (3,), data=[1.0, 2.0, 3.0]),
        w.Tensor("y", (1, 3)),
    ]
    dense = w.Operator(w.FULLY_CONNECTED, (0, 1, 2), (3,), w.dense_options())
    return w.model(tensors, [dense], [0], [3], "synedge engine proof")


if __name__ == "__main__":
    TARGET.write_bytes(one_op())
