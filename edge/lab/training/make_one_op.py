"""Makes `edge/shell/engines/one_op.tflite`, the model that every engine must run before it is trusted.

python -m edge.lab.training.make_one_op
"""

from pathlib import Path

from edge.nn.draft import Draft
from edge.nn.tflite_writer import write_tflite

TARGET = Path(__file__).parents[2] / "shell" / "engines" / "one_op.tflite"


def one_op() -> bytes:
    """y = W x + b with W = 0.0, 0.1 .. 1.1 by rows and b = 1, 2, 3: for x = 1, 2, 3, 4 it is 3, 8, 13."""
    draft = Draft()
    x = draft.tensor("x", (1, 4))
    weights = draft.constant("W", (3, 4), [i / 10 for i in range(12)])
    bias = draft.constant("b", (3,), [1.0, 2.0, 3.0])
    y = draft.tensor("y", (1, 3))
    draft.operator("FULLY_CONNECTED", (x, weights, bias), (y,), {"fused_activation_function": 0})
    return write_tflite(draft.graph([x], [y], "synedge engine proof"))


if __name__ == "__main__":
    TARGET.write_bytes(one_op())
