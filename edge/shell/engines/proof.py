"""Tries something dangerous in a throwaway copy of this process: a damaged model can kill the C library that runs it.

TFLite verifies the FlatBuffer, but not what operators make of their parameters; about one in a thousand byte-flipped
models still ends in a segmentation fault. The copy is a fork, 2 ms, bounded in time and memory; whatever kills it is a
reason. It covers loading and one run on zeros, not what other inputs may do.
"""

import contextlib
import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable

from edge.limits import ENGINE_MESSAGE_BYTES_MAX, MODEL_MEMORY_BYTES_MAX

_FINE = b"\x01"


def prove(action: Callable[[], None], *, timeout_s: float) -> str | None:
    """Run `action` in a child process. None when it returned there; else why not, the exception's text included."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; the child only calls into C and leaves, and has a deadline.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _child(action, write_end, timeout_s)
    os.close(write_end)
    try:
        answer, late = _answer(read_end, timeout_s)
    finally:
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if answer.startswith(_FINE):
        return None
    if answer:
        return answer.decode(errors="replace")
    if late:
        return f"no answer within {timeout_s:g} s"
    if os.WIFSIGNALED(status):
        return f"crashed the engine ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"made the engine leave with status {os.waitstatus_to_exitcode(status)}"


def _child(action: Callable[[], None], write_end: int, timeout_s: float) -> None:
    """Never returns: no clean-up of the parent's may run here."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_memory()
        for number in (signal.SIGALRM, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 2 * timeout_s)  # should the parent die first
        action()
        os.write(write_end, _FINE)
    except BaseException as error:
        os.write(write_end, (str(error) or type(error).__name__).encode()[:ENGINE_MESSAGE_BYTES_MAX])
    finally:
        os._exit(0)


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    bound = pages * resource.getpagesize() + MODEL_MEMORY_BYTES_MAX
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


def _answer(read_end: int, timeout_s: float) -> tuple[bytes, bool]:
    """What the child wrote until it closed the pipe, and whether it was too late."""
    deadline = time.monotonic() + timeout_s
    parts: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([read_end], [], [], left)[0]:
            break
        part = os.read(read_end, ENGINE_MESSAGE_BYTES_MAX)
        if not part:
            return b"".join(parts), False
        parts.append(part)
    return b"".join(parts), True
