"""A loaded network: a plan with an arena of its own, in which it remembers what it has seen."""

from edge.nn import kernels
from edge.nn.plan import Lowered


class Network:
    """One stream's network. Not for two threads at once: it works in the arena, and a long run leaves the GIL."""

    def __init__(self, lowered: Lowered):
        self.input, self.output = lowered.input, lowered.output
        self._plan, self._state = lowered.plan, lowered.state
        self._arena = kernels.Memory(lowered.plan.arena_bytes)
        self.bound = lowered.plan.bind(self._arena)
        """Its input and output in place: write `bound.input`, call `bound.run`, read `bound.output`."""
        self.invoke = lowered.plan.call(self._arena)
        """One run in the model's own number formats. Raises InferenceError for an input of another size."""
        self.reset()

    @property
    def memory_bytes(self) -> int:
        """Memory of constants and arena."""
        return self._plan.constants.size + self._arena.size

    @property
    def steps(self) -> tuple[str, ...]:
        """What one run does, by the kernels' names."""
        return self._plan.steps

    def run(self, tensor: bytes) -> tuple[float, ...]:
        """Packed float32 in, finite floats out."""
        return self.output.unpack(self.invoke(self.input.pack(tensor)))

    def reset(self) -> None:
        """Forget every earlier run."""
        self._arena.write(0, self._state)
