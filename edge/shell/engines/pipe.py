"""A child program spoken to in length-prefixed frames over its standard streams, with a deadline on every byte.

Nothing here waits beyond its deadline. The child sees end of file when this process dies, however it dies: our ends of
the pipes close with it and no other program inherits them.
"""

import contextlib
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Sequence

from edge.limits import ENGINE_MESSAGE_BYTES_MAX

_LENGTH = struct.Struct("<I")
_KILL_WAIT_S = 5.0


class DeadError(Exception):
    """The child is gone, late or talking nonsense; it has been killed."""


class RefusedError(Exception):
    """The child answered with a reason instead of a result."""


class Pipe:
    """One running child. Not thread-safe."""

    def __init__(self, argv: Sequence[str], *, answer_bytes_max: int):
        """Raises OSError when the program cannot be started."""
        self._answer_max = answer_bytes_max
        self._buffer = bytearray()
        # What the child prints goes to a pipe that nobody drains: it keeps the first 64 kB and drops the rest.
        self._words, words = os.pipe()
        try:
            os.set_blocking(words, False)
            os.set_blocking(self._words, False)
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, bufsize=0, close_fds=True, cwd="/"
            )
        except BaseException:
            os.close(self._words)
            raise
        finally:
            os.close(words)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, payload: bytes, *, deadline: float) -> None:
        """One frame out. Raises Dead."""
        rest = memoryview(_LENGTH.pack(len(payload)) + payload)
        while rest:
            if not select.select([], [self._in], [], max(0.0, deadline - time.monotonic()))[1]:
                raise self._kill("took no input in time")
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._kill(None) from None

    def receive(self, *, deadline: float) -> bytes | None:
        """The payload of the next answer, None if it is not there in time. Raises RefusedError or Dead."""
        while (answer := self._complete()) is None:
            if not select.select([self._out], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            part = os.read(self._out, 65536)
            if not part:
                raise self._kill(None)
            self._buffer += part
        kind, payload = answer[:1], answer[1:]
        if kind == b"+":
            return payload
        if kind == b"-":
            raise RefusedError(payload.decode(errors="replace"))
        raise self._kill("sent a frame that is no answer")

    def ask(self, payload: bytes, *, deadline: float) -> bytes:
        """One frame out, its answer back. Raises RefusedError or DeadError, also when the answer is late."""
        self.send(payload, deadline=deadline)
        answer = self.receive(deadline=deadline)
        if answer is None:
            raise self._kill("gave no answer in time")
        return answer

    def close(self) -> None:
        """Kill the child and reap it. Idempotent."""
        if self._words >= 0:
            self._kill("closed")

    def _complete(self) -> bytes | None:
        """Cut one whole answer off the buffer."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer)
        if not 1 <= size <= self._answer_max:
            raise self._kill(f"announced an answer of {size} bytes (allowed: 1 to {self._answer_max})")
        end = _LENGTH.size + size
        if len(self._buffer) < end:
            return None
        answer = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return answer

    def _kill(self, why: str | None) -> DeadError:
        """End the child and say what is known about it; `why` None: it ended by itself."""
        if why is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # its streams are closed; the status follows at once
                self._process.wait(timeout=_KILL_WAIT_S)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_KILL_WAIT_S)
        words = self._last_words()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        return DeadError((why or _status(self._process.returncode)) + (f" ({words})" if words else ""))

    def _last_words(self) -> str:
        if self._words < 0:
            return ""
        try:
            data = os.read(self._words, 65536)
        except OSError:
            data = b""
        finally:
            os.close(self._words)
            self._words = -1
        return " ".join(data[-ENGINE_MESSAGE_BYTES_MAX:].decode(errors="replace").split())


def _status(code: int | None) -> str:
    if code is None:
        return "does not die"
    if code < 0:
        return f"died by {signal.Signals(-code).name}"
    return f"left with status {code}"
