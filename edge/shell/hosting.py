"""Hosting a broker in the background: start and stop return at once, and only the latest start is heard of."""

import logging
import threading
from collections.abc import Callable

from edge.errors import UnavailableError
from edge.shell.broker import Hosted, HostedBroker
from edge.shell.broker_config import BrokerOptions

log = logging.getLogger(__name__)


class Hosting:
    """`report(start number, Hosted | reason)` comes from threads of ours: once up or failed, and once if it then ends
    by itself. A report whose number is not `number` any more is about a broker that was given up."""

    def __init__(self, options: BrokerOptions, report: Callable[[int, Hosted | str], None]) -> None:
        self.number = 0
        self.hosted: Hosted | None = None
        """Set by the owner when it accepts a report."""
        self._options = options
        self._report = report
        self._broker: HostedBroker | None = None

    @property
    def pid(self) -> int | None:
        """Of the broker's process."""
        return self._broker.pid if self._broker is not None else None

    def start(self) -> None:
        assert self._broker is None
        self.number += 1
        number = self.number
        broker = self._broker = HostedBroker(self._options, on_exit=lambda reason: self._report(number, reason))
        threading.Thread(target=self._start, args=(broker, number), name="broker-start", daemon=True).start()

    def stop(self) -> None:
        """Give the broker up; returns at once."""
        broker = self.forget()
        if broker is not None:
            threading.Thread(target=broker.stop, name="broker-stop", daemon=True).start()

    def forget(self) -> HostedBroker | None:
        """It has ended, or the caller sees to that."""
        broker, self._broker, self.hosted = self._broker, None, None
        self.number += 1
        return broker

    def _start(self, broker: HostedBroker, number: int) -> None:
        try:
            self._report(number, broker.start())
        except UnavailableError as error:
            self._report(number, str(error))
        except Exception as error:
            log.exception("hosting failed")
            self._report(number, f"no broker could be hosted: {error}")
