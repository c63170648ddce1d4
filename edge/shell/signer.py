"""Signatures off the loop: one thread signs, one verifies. Both let go of the interpreter while they compute.

What is to be verified waits in a lane for each key: who says much waits behind itself, not before the others. What
came as a vote waits before all that did not.

A signature that is bad is an answer. Whatever is raised here is our bug or a dead resource, and the node cannot go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from edge.effects import Sign, Ticket, Verify
from edge.errors import SynedgeError
from edge.limits import TICKETS_MAX
from edge.shell.lanes import Lanes
from edge.wire import suite

VOTES_IN_A_ROW = 8
"""Then one of the others has its turn."""

Signed = Callable[[Ticket, bytes], None]
Verified = Callable[[Ticket, bool], None]
Failed = Callable[[SynedgeError], None]


class Signing:
    """Answers `Sign` in the order in which it was asked, `Verify` in that of each key, the keys in turn. Bounded by the
    tickets the node hands out.

    A thread that cannot go on calls `failed`, once, and answers no more.
    """

    def __init__(self, signer: suite.Signer, signed: Signed, verified: Verified, failed: Failed) -> None:
        self._signer = signer
        self._signed = signed
        self._verified = verified
        self._failed = failed
        self._to_sign: SimpleQueue[Sign | None] = SimpleQueue()
        # One lane may fill half of it.
        self._lanes: Lanes[Verify] = Lanes(2 * TICKETS_MAX, 0)
        self._votes: Lanes[Verify] = Lanes(2 * TICKETS_MAX, 0)
        self._in_a_row = 0
        self._lanes_lock = threading.Lock()
        self._to_verify: SimpleQueue[bool] = SimpleQueue()
        """Says that something waits in the lanes, as often as it does; False at the end."""
        self._threads = [
            threading.Thread(target=self._serve, args=(self._sign_next,), name="sign", daemon=True),
            threading.Thread(target=self._serve, args=(self._verify_next,), name="verify", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def sign(self, effect: Sign) -> None:
        self._to_sign.put(effect)

    def verify(self, effect: Verify) -> None:
        with self._lanes_lock:
            taken = (self._votes if effect.is_vote else self._lanes).put(effect.public_key, effect, 0)
        assert taken, "the node hands out no more tickets"
        self._to_verify.put(True)

    def stop(self, timeout_s: float = 1.0) -> None:
        self._to_sign.put(None)
        self._to_verify.put(False)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _serve(self, answer_next: Callable[[], bool]) -> None:
        try:
            while answer_next():
                pass
        except Exception as error:
            self._failed(SynedgeError(f"thread {threading.current_thread().name} ended: {error!r}"))

    def _sign_next(self) -> bool:
        effect = self._to_sign.get()
        if effect is None:
            return False
        self._signed(effect.ticket, self._signer.sign(effect.message))
        return True

    def _verify_next(self) -> bool:
        if not self._to_verify.get():
            return False
        with self._lanes_lock:
            effect = self._next()
        ok = suite.verify(effect.suite, effect.public_key, effect.message, effect.signature)
        self._verified(effect.ticket, ok)
        return True

    def _next(self) -> Verify:
        """A vote before all others, but not for ever: votes can be forged as well."""
        is_vote = bool(self._votes) and not (self._lanes and self._in_a_row >= VOTES_IN_A_ROW)
        self._in_a_row = self._in_a_row + 1 if is_vote else 0
        (effect,) = (self._votes if is_vote else self._lanes).take(1)
        return effect
