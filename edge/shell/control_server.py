"""The agent's side of the control socket: a JSON request a line, a JSON line back, served between turns of the loop."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.limits import CONTROL_CLIENTS_MAX, CONTROL_LINE_BYTES_MAX, CONTROL_REPLY_BYTES_MAX
from edge.shell.control import short_address

SEND_TIMEOUT_S = 0.5
"""The loop waits for it, so it is far below the watchdog's period."""

Operation = Callable[[Mapping[str, Any]], Any]


class ControlServer:
    """Listens on a Unix socket (0600). A client that does not read is dropped after SEND_TIMEOUT_S."""

    def __init__(self, path: Path, operations: Mapping[str, Operation], selector: selectors.BaseSelector) -> None:
        self._path = path
        self._operations = operations
        self._selector = selector
        self._lines: dict[socket.socket, bytearray] = {}
        self.refused_clients = 0
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short_address(path) as address:
                self._server.bind(address)
        finally:
            os.umask(before)
        self._server.listen(CONTROL_CLIENTS_MAX)
        self._server.setblocking(False)
        selector.register(self._server, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        for client in list(self._lines):
            self._drop(client)
        self._selector.unregister(self._server)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        if len(self._lines) >= CONTROL_CLIENTS_MAX:
            self.refused_clients += 1
            client.close()
            return
        client.setblocking(False)
        self._lines[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._drop(client)
        line = self._lines[client]
        line += data
        while (end := line.find(b"\n")) >= 0:
            request = bytes(line[:end])
            del line[: end + 1]
            if not self._send(client, self._answer(request)):
                return self._drop(client)
        if len(line) > CONTROL_LINE_BYTES_MAX:
            self._send(client, _error(f"a request is one line of at most {CONTROL_LINE_BYTES_MAX} bytes"))
            self._drop(client)
        return None

    def _answer(self, request: bytes) -> bytes:
        try:
            asked = json.loads(request)
        except (ValueError, RecursionError) as error:
            return _error(f"not JSON: {error}")
        name = asked.get("op") if isinstance(asked, dict) else None
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            return _error(f"op {name!r}: allowed: {', '.join(sorted(self._operations))}")
        try:
            result = operation(asked)
        except ValueError as error:
            return _error(str(error))
        answer = json.dumps({"ok": True, "result": result}, separators=(",", ":")).encode() + b"\n"
        if len(answer) > CONTROL_REPLY_BYTES_MAX:
            return _error(f"the answer has {len(answer)} bytes; allowed are {CONTROL_REPLY_BYTES_MAX}")
        return answer

    def _send(self, client: socket.socket, data: bytes) -> bool:
        # Most replies are small beside a socket buffer; whoever does not take one in this time is not reading.
        with contextlib.suppress(OSError):
            client.settimeout(SEND_TIMEOUT_S)
            client.sendall(data)
            client.setblocking(False)
            return True
        return False

    def _drop(self, client: socket.socket) -> None:
        del self._lines[client]
        self._selector.unregister(client)
        client.close()


def _error(text: str) -> bytes:
    return json.dumps({"ok": False, "error": text}).encode() + b"\n"
