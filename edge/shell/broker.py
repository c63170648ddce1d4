"""A broker of our own, as a child process: Mosquitto where it is installed, else rumqttd from the `iotcore` wheel.

The child runs unprivileged and dies with this process (edge/shell/child.py). It counts as started once it listens where
it was told, and nowhere else, and has answered a real CONNECT. Ports that others hold are left alone.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from edge.errors import UnavailableError
from edge.shell import probe
from edge.shell.broker_child import BrokerChild, ChildFailedError
from edge.shell.broker_config import BrokerOptions, Engine
from edge.shell.listeners import listening_on

log = logging.getLogger(__name__)

_PORT_ATTEMPTS = 3
_POLL_S = 0.01
_SAYS_RUNNING_S = 1.0
_WILDCARDS = ("0.0.0.0", "::")


class Hosted(NamedTuple):
    """Where clients on this machine reach the broker, and what it is."""

    host: str
    port: int
    engine: Engine


class HostedBroker:
    """One child, started once. `on_exit(reason)` is called, from a thread of ours, if it ends without `stop`."""

    def __init__(self, options: BrokerOptions, *, on_exit: Callable[[str], None] | None = None) -> None:
        self._options = options
        self._on_exit = on_exit
        self._child: BrokerChild | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def is_alive(self) -> bool:
        return self._child is not None and not self._child.ended.is_set()

    def start(self) -> Hosted:
        """Block until a broker answers; UnavailableError says what each engine lacked."""
        assert self._child is None, "a hosted broker starts once"
        engines: tuple[Engine, ...] = ("mosquitto", "iotcore")
        if self._options.engine != "auto":
            engines = (self._options.engine,)
        reasons = []
        for engine in engines:
            try:
                hosted = self._start_engine(engine)
            except ChildFailedError as failure:
                reasons.append(f"{engine}: {failure}")
                continue
            log.info("broker hosted engine=%s host=%s port=%d pid=%s", engine, hosted.host, hosted.port, self.pid)
            return hosted
        raise UnavailableError(f"no broker could be hosted on {self._options.listen} ({'; '.join(reasons)})")

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the child, also one that is still starting; safe to call twice."""
        self._stopped = True
        if self._child is not None:
            self._child.stop(timeout_s)

    def log_tail(self) -> list[str]:
        """The last lines the child wrote."""
        return list(self._child.lines) if self._child is not None else []

    def _start_engine(self, engine: Engine) -> Hosted:
        failure = ChildFailedError("stopped")
        for _ in range(_PORT_ATTEMPTS if self._options.port == 0 else 1):
            if self._stopped:
                break
            port = _choose_port(self._options)
            child = BrokerChild(engine, self._ended)
            try:
                self._child = child
                child.start(self._options, port)
                self._await_answer(child, port)
            except ChildFailedError as error:
                failure = error
                child.stop(1.0)
                self._child = None
                continue
            child.watched = True
            return Hosted(self._options.connect_host, port, engine)
        raise failure

    def _await_answer(self, child: BrokerChild, port: int) -> None:
        options = self._options
        started = time.monotonic()
        reason = "no answer"
        while (spent := time.monotonic() - started) < options.start_timeout_s:
            if self._stopped or child.ended.wait(_POLL_S):
                raise ChildFailedError("stopped" if self._stopped else child.last_words())
            # Somebody else may have taken the port since it was chosen: ask once our child says that it has it.
            if child.engine == "mosquitto" and not child.says_running and spent < _SAYS_RUNNING_S:
                continue
            answer = probe.ask(
                options.connect_host,
                port,
                client_id=f"synedge-probe-{os.getpid()}",
                username=options.username,
                password=options.password,
                timeout_s=1.0,
            )
            if answer.accepted:
                return _check_listener(options, port)
            reason = answer.reason
        raise ChildFailedError(reason)

    def _ended(self, child: BrokerChild) -> None:
        reason = child.last_words()
        log.warning("hosted broker ended engine=%s reason=%r", child.engine, reason)
        if self._on_exit is not None:
            self._on_exit(reason)


def _choose_port(options: BrokerOptions) -> int:
    """The configured port if it is free, else one the system picks."""
    family = socket.AF_INET6 if ":" in options.listen else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((options.listen, options.port))
            attempt.listen(1)
        except OSError as error:
            raise ChildFailedError(f"{options.listen}:{options.port}: {error.strerror or error}") from None
        return int(attempt.getsockname()[1])


def _check_listener(options: BrokerOptions, port: int) -> None:
    """Refuse a broker that opened more of this machine than it was told to."""
    bound = listening_on(port)
    opened = sorted(address for address in bound if address in _WILDCARDS)
    if opened and options.listen not in _WILDCARDS:
        raise ChildFailedError(f"it listens on {opened[0]} instead of {options.listen}")
