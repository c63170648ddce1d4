"""Types of cython/call.pyx."""

from typing import Any

class Call:
    """A bound plan as a function of its input, in the model's own number formats."""

    def __init__(
        self, addresses: tuple[int, int, int, int], input_bytes: int, output_bytes: int, is_long: bool, owners: Any
    ) -> None:
        """`addresses`: of syn_plan_run, plan, constants and arena, which `owners` keep alive. If it `is_long`, a
        run leaves the GIL."""

    def __call__(self, stored: bytes | bytearray | memoryview) -> bytes:
        """One run. Raises InferenceError when the input is of another size."""
