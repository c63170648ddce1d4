"""Signatures off the loop: one thread signs, one verifies. Both let go of the interpreter while they compute."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from edge.effects import Sign, Ticket, Verify
from edge.wire import suite

Signed = Callable[[Ticket, bytes], None]
Verified = Callable[[Ticket, bool], None]


class Signing:
    """Answers `Sign` and `Verify` in the order each kind was asked. Bounded by the tickets the node hands out."""

    def __init__(self, signer: suite.Signer, signed: Signed, verified: Verified) -> None:
        self._signer = signer
        self._signed = signed
        self._verified = verified
        self._to_sign: SimpleQueue[Sign | None] = SimpleQueue()
        self._to_verify: SimpleQueue[Verify | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._sign, name="sign", daemon=True),
            threading.Thread(target=self._verify, name="verify", daemon=True),
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

    def _sign(self) -> None:
        while (effect := self._to_sign.get()) is not None:
            self._signed(effect.ticket, self._signer.sign(effect.message))

    def _verify(self) -> None:
        while (effect := self._to_verify.get()) is not None:
            ok = suite.verify(effect.suite, effect.public_key, effect.message, effect.signature)
            self._verified(effect.ticket, ok)
