"""Where LiteRT is: TensorFlow Lite's reference kernels, whom our integer kernels equal to the bit.

It runs in the same worker as tflite-runtime, under an interpreter of its own: it brings numpy and 160 MB.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from edge.nn.errors import EngineError

NAME = "litert"
VENV = ".venv-litert"
"""What deploy/bootstrap.sh makes beside the environment that this process runs in."""


def find_python(configured: str | None = None) -> str:
    """The configured interpreter, this one if it has ai-edge-litert, or the one beside it. Raises EngineError."""
    if configured is not None:
        if not Path(configured).is_file():
            raise EngineError(f"{NAME}: no such interpreter: {configured}")
        return configured
    if find_spec("ai_edge_litert") is not None and sys.executable:
        return sys.executable
    beside = Path(sys.prefix).with_name(VENV) / "bin" / "python"
    if beside.is_file():
        return str(beside)
    raise EngineError(
        f"{NAME}: not installed; `pip install ai-edge-litert` in an environment of its own, and set "
        "SYNEDGE_LITERT_PYTHON to its interpreter"
    )
