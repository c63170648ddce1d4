"""Asking a running agent over its control socket: one JSON request a line, one JSON answer a line."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import PermissionsError, SynedgeError, UnavailableError
from edge.limits import CONTROL_LINE_BYTES_MAX, CONTROL_REPLY_BYTES_MAX

TIMEOUT_S = 5.0


def ask(socket_path: Path, op: str, **args: object) -> Any:
    """The `result` of one request.

    UnavailableError when no agent answers, PermissionsError when the socket is another user's, SynedgeError with the
    agent's own words when it refuses.
    """
    line = json.dumps({"op": op, **args}).encode() + b"\n"
    assert len(line) <= CONTROL_LINE_BYTES_MAX
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        _connect(link, socket_path)
        try:
            link.sendall(line)
            raw = _read_line(link, socket_path)
        except OSError as error:
            said = f"no answer within {TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else error.strerror
            raise UnavailableError(f"{socket_path}: the agent took the request and then: {said}") from None
    return _result(raw, socket_path)


@contextmanager
def short_address(socket_path: Path) -> Iterator[str]:
    """An address for bind and connect however long the path is; a socket address holds 107 bytes (unix(7))."""
    if len(os.fsencode(socket_path)) < 108:
        yield str(socket_path)
        return
    directory = os.open(socket_path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{socket_path.name}"
    finally:
        os.close(directory)


def _connect(link: socket.socket, socket_path: Path) -> None:
    start = "start it with `synedge run` or `systemctl start synedge`"
    try:
        with short_address(socket_path) as address:
            link.connect(address)
    except FileNotFoundError:
        raise UnavailableError(f"the agent does not run: no socket {socket_path}; {start}") from None
    except ConnectionRefusedError:
        raise UnavailableError(f"the agent does not run: nobody listens on {socket_path}; {start}") from None
    except PermissionError:
        said = f"{socket_path}: may not be opened by user {os.geteuid()}; use sudo or the agent's own user"
        raise PermissionsError(said) from None
    except OSError as error:
        raise UnavailableError(f"{socket_path}: {error.strerror or error}; {start}") from None


def _read_line(link: socket.socket, socket_path: Path) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = link.recv(64 * 1024)
        if not part or len(received) + len(part) > CONTROL_REPLY_BYTES_MAX:
            raise UnavailableError(f"{socket_path}: the agent's answer broke off after {len(received)} bytes")
        received += part
    return bytes(received)


def _result(raw: bytes, socket_path: Path) -> Any:
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError):
        reply = None
    match reply:
        case {"ok": True, "result": result}:
            return result
        case {"ok": False, "error": error}:
            raise SynedgeError(f"the agent refused: {error}")
    raise UnavailableError(f"{socket_path}: what answered is not a synedge agent")
