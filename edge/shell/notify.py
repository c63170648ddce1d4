"""Speaks to systemd (sd_notify(3)): readiness, status, and a watchdog fed by the loop's own turn."""

import os
import socket
from collections.abc import MutableMapping

STATUS_CHARS_MAX = 200
SEND_TIMEOUT_S = 1.0
"""How long the rare messages may wait for a manager that is busy; the watchdog's never wait."""
WATCHDOG_SHARE = 3
"""Pings per watchdog period; sd_watchdog_enabled(3) asks for at least two."""


class Notifier:
    """One-way messages to the service manager; without a manager every call does nothing. A refused send is counted."""

    def __init__(self, address: str | None, *, watchdog_us: int = 0) -> None:
        """`address` as NOTIFY_SOCKET writes it: a path, or `@` and an abstract name. `watchdog_us` 0: no watchdog."""
        self.watchdog_us = watchdog_us if address else 0
        self.failures = 0
        self._address = _socket_address(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None, *, pid: int | None = None) -> "Notifier":
        """Read the manager's variables once and remove them, so that no child speaks in our name."""
        variables = os.environ if environ is None else environ
        address = variables.pop("NOTIFY_SOCKET", None)
        period = variables.pop("WATCHDOG_USEC", "0")
        meant_for = variables.pop("WATCHDOG_PID", None)
        is_ours = meant_for is None or meant_for == str(os.getpid() if pid is None else pid)
        return cls(address, watchdog_us=int(period) if is_ours and period.isdecimal() else 0)

    @property
    def is_managed(self) -> bool:
        return self._socket is not None

    def ready(self, status: str = "") -> bool:
        return self._send("READY=1\nSTATUS=" + _one_line(status), timeout_s=SEND_TIMEOUT_S)

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1\nSTATUS=" + _one_line(status), timeout_s=SEND_TIMEOUT_S)

    def status(self, text: str) -> bool:
        return self._send("STATUS=" + _one_line(text), timeout_s=0)

    def watchdog(self) -> bool:
        return self._send("WATCHDOG=1", timeout_s=0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str, *, timeout_s: float) -> bool:
        """False when nothing was sent: no manager, or one that did not take it."""
        if self._socket is None or self._address is None:
            return False
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            self.failures += 1
            return False
        return True


class Watchdog:
    """Feeds the watchdog from the loop: no progress, no ping. `progress` may be called at every turn."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._next_ms: float | None = None
        self.interval_ms: float | None = notifier.watchdog_us / 1000 / WATCHDOG_SHARE if notifier.watchdog_us else None
        """How often the loop must turn; None without a watchdog."""

    def progress(self, now_ms: float) -> None:
        """The loop has turned at `now_ms` (monotonic)."""
        if self.interval_ms is None or (self._next_ms is not None and now_ms < self._next_ms):
            return
        self._next_ms = now_ms + self.interval_ms
        self._notifier.watchdog()

    def deadline(self) -> float | None:
        """When the loop should turn at the latest, so that an idle node is not taken for a stuck one."""
        return None if self.interval_ms is None else self._next_ms


def _socket_address(address: str | None) -> str | None:
    """The address as AF_UNIX takes it; None for kinds this process cannot speak to (vsock:)."""
    if not address or address[0] not in "/@" or len(address) < 2:
        return None
    return "\0" + address[1:] if address[0] == "@" else address


def _one_line(text: str) -> str:
    """A newline would begin another assignment."""
    return "".join(char if char.isprintable() else " " for char in text)[:STATUS_CHARS_MAX]
