"""Models of many agents, of which those of one shape run with one call.

What computes in float32, remembers nothing between runs and is small shares a population with all others of its plan: a
slot each, so agents that name the same file have weights of their own too. Everything else is loaded as ever, and runs
alone. A population grows with its members and begins as one of one; memory that no member has used is not in memory.
"""

import mmap
import os
import threading
from collections.abc import Sequence
from typing import cast

from edge.nn import population as populations
from edge.nn.backends import Answer, Due, Model
from edge.nn.errors import EngineError, InferenceError
from edge.nn.plan import Lowered
from edge.nn.population import Population
from edge.nn.tensor import TensorSpec
from edge.shell.engines import Choice, choose_model
from edge.shell.engines.native import NAME, NativeModel, unpack

MEMBER_BYTES_MAX = 256 * 1024
"""Of constants: a larger network runs for so long that a call of its own costs nothing beside it."""


class Crowds:
    """Loads the models of one process. The same back-ends take the same files as `choose_model` says."""

    def __init__(self) -> None:
        self._crowds: dict[tuple[bytes, int], PopulationCrowd] = {}

    def choose(self, path: str | os.PathLike[str]) -> Choice:
        """Raises as `choose_model`."""
        choice = choose_model(path)
        model = choice.model
        if not (isinstance(model, NativeModel) and _joins(model.lowered)):
            return choice
        key = populations.shape(model.lowered), model.lowered.plan.constants.size
        if key not in self._crowds:
            self._crowds[key] = PopulationCrowd(model.lowered)
        return choice._replace(model=self._crowds[key].join(model))


def _joins(lowered: Lowered) -> bool:
    return not lowered.state and lowered.plan.constants.size <= MEMBER_BYTES_MAX and populations.fault(lowered) is None


class PopulationCrowd:
    """Networks of one plan, each a `Member`. One caller at a time gets in; others wait."""

    def __init__(self, lowered: Lowered):
        self.input, self.output = lowered.input, lowered.output
        self._lowered = lowered
        self._population = _population(lowered, 1)
        self._members: list[Member] = []
        self._lock = threading.Lock()

    def join(self, model: NativeModel) -> "Member":
        """A copy of this model, of the crowd's shape, as a member."""
        with self._lock:
            if len(self._population) == self._population.capacity:
                self._grow()
            constants = model.lowered.plan.constants
            member = Member(self, model, _settle(self._population, constants.view(slice(0, constants.size))))
            self._members.append(member)
            return member

    def leave(self, member: "Member") -> None:
        """It cannot run again. Idempotent."""
        with self._lock:
            if member.handle:
                self._population.evict(member.handle)
                self._members.remove(member)
                member.handle = 0

    def invoke(self, member: "Member", stored: bytes) -> bytes:
        """One member alone, in the model's own number formats."""
        if len(stored) != self.input.stored_bytes:
            raise InferenceError(f"input of {len(stored)} bytes (allowed: {self.input.stored_bytes})")
        with self._lock:
            if not member.handle:
                raise EngineError(f"model {member.path}: closed")
            return self._population.run([member.handle], stored)

    def run(self, due: Sequence[Due]) -> list[Answer]:
        """Each of these members once, with one call; an answer for each, in their order."""
        with self._lock:
            answers = [self._fault(cast(Member, model), tensor) for model, tensor in due]
            ready = [place for place, answer in enumerate(answers) if answer is None]
            handles = [cast(Member, due[place][0]).handle for place in ready]
            outputs = memoryview(self._population.run(handles, b"".join(due[place][1] for place in ready)))
        size = self.output.stored_bytes
        for number, place in enumerate(ready):
            answers[place] = self._answer(due[place][0].path, outputs[number * size : (number + 1) * size])
        return cast(list[Answer], answers)

    def _fault(self, member: "Member", tensor: bytes) -> Answer | None:
        """Why one of those that are due cannot run."""
        if not member.handle:
            return EngineError(f"model {member.path}: closed")
        try:
            self.input.pack(tensor)
        except InferenceError as error:
            return error
        return None

    def _answer(self, path: str, stored: memoryview) -> Answer:
        try:
            return unpack(path, self.output, stored)
        except InferenceError as error:
            return error

    def _grow(self) -> None:
        grown = _population(self._lowered, 2 * self._population.capacity)
        for member in self._members:
            member.handle = _settle(grown, self._population.weights(member.handle).cast("B"))
        self._population = grown


class Member(Model):
    """One network of a crowd."""

    __slots__ = ("_crowd", "digest", "handle", "path")
    engine = NAME

    def __init__(self, crowd: PopulationCrowd, model: NativeModel, handle: int):
        self.path, self.digest = model.path, model.digest
        self._crowd = crowd
        self.handle = handle
        """The crowd's name for it; 0 when it is closed."""

    @property
    def crowd(self) -> PopulationCrowd:
        return self._crowd

    @property
    def input(self) -> TensorSpec:  # type: ignore[override]  # the same for all members, and never set
        return self._crowd.input

    @property
    def output(self) -> TensorSpec:  # type: ignore[override]
        return self._crowd.output

    def run(self, tensor: bytes) -> tuple[float, ...]:
        return unpack(self.path, self.output, self.invoke(self.input.pack(tensor)))

    def invoke(self, stored: bytes) -> bytes:
        """One run in the model's own number formats."""
        return self._crowd.invoke(self, stored)

    def reset(self) -> None:
        """It remembers nothing."""

    def close(self) -> None:
        self._crowd.leave(self)


def _population(lowered: Lowered, capacity: int) -> Population:
    return Population(lowered, memoryview(mmap.mmap(-1, populations.memory_bytes(lowered, capacity))))


def _settle(population: Population, constants: memoryview) -> int:
    """A network with these constants; its handle."""
    handle = population.spawn()
    population.weights(handle).cast("B")[: len(constants)] = constants
    return handle
