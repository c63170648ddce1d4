"""Signatures off the loop: one thread signs, one verifies. Both let go of the interpreter while they compute.

A signature that is bad is an answer. Whatever is raised here is our bug or a dead resource, and the node cannot go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from edge.effects import Sign, Ticket, Verify
from edge.errors import SynedgeError
from edge.wire import suite

T = TypeVar("T", Sign, Verify)

Signed = Callable[[Ticket, bytes], None]
Verified = Callable[[Ticket, bool], None]
Failed = Callable[[SynedgeError], None]


class Signing:
    """Answers `Sign` and `Verify` in the order each kind was asked. Bounded by the tickets the node hands out.

    A thread that cannot go on calls `failed`, once, and answers no more.
    """

    def __init__(self, signer: suite.Signer, signed: Signed, verified: Verified, failed: Failed) -> None:
        self._signer = signer
        self._signed = signed
        self._verified = verified
        self._failed = failed
        self._to_sign: SimpleQueue[Sign | None] = SimpleQueue()
        self._to_verify: SimpleQueue[Verify | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(self._to_sign, self._sign), name="sign", daemon=True),
            threading.Thread(target=self._serve, args=(self._to_verify, self._verify), name="verify", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def sign(self, effect: Sign) -> None:
        self._to_sign.put(effect)

    def verify(self, effect: Verify) -> None:
        self._to_verify.put(effect)

    def stop(self, timeout_s: float = 1.0) -> None:
        self._to_sign.put(None)
        self._to_verify.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _serve(self, queue: SimpleQueue[T | None], answer: Callable[[T], None]) -> None:
        try:
            while (effect := queue.get()) is not None:
                answer(effect)
        except Exception as error:
            self._failed(SynedgeError(f"thread {threading.current_thread().name} ended: {error!r}"))

    def _sign(self, effect: Sign) -> None:
        self._signed(effect.ticket, self._signer.sign(effect.message))

    def _verify(self, effect: Verify) -> None:
        ok = suite.verify(effect.suite, effect.public_key, effect.message, effect.signature)
        self._verified(effect.ticket, ok)
