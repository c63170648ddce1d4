"""The signing threads: answers in order, and an end that is said when they cannot go on."""

import queue
from collections.abc import Iterator

import pytest

from edge.effects import Sign, Verify
from edge.errors import SynedgeError
from edge.limits import TICKETS_MAX
from edge.shell.signer import VOTES_IN_A_ROW, Signing
from edge.wire import suite

WAIT_S = 10
SUITE = 1


class Desk:
    """Signing threads whose answers and failures a test can wait for."""

    def __init__(self) -> None:
        self.signer = suite.Signer(SUITE, bytes(32))
        self.answers: queue.Queue[tuple[int, object]] = queue.Queue()
        self.failures: queue.Queue[SynedgeError] = queue.Queue()
        self.signing = Signing(
            self.signer,
            lambda ticket, signature: self.answers.put((ticket, signature)),
            lambda ticket, ok: self.answers.put((ticket, ok)),
            self.failures.put,
        )
        self.signing.start()

    def verify(self, ticket: int, message: bytes, signature: bytes) -> None:
        self.signing.verify(Verify(ticket, SUITE, self.signer.public_key, message, signature))

    def answer(self) -> tuple[int, object]:
        return self.answers.get(timeout=WAIT_S)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.signing.stop(WAIT_S)


def test_each_kind_is_answered_in_order(desk):
    for ticket in range(8):
        desk.signing.sign(Sign(ticket, b"%d" % ticket))
    signed = [desk.answer() for _ in range(8)]
    assert [ticket for ticket, _ in signed] == list(range(8))
    for ticket, signature in signed:
        desk.verify(ticket, b"%d" % ticket, signature)
        desk.verify(100 + ticket, b"another", signature)
    expected = [(number, ok) for ticket in range(8) for number, ok in ((ticket, True), (100 + ticket, False))]
    assert [desk.answer() for _ in range(16)] == expected
    assert desk.failures.empty(), "a bad signature is an answer"


def test_who_has_much_verified_waits_behind_itself(monkeypatch):
    answers: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(suite, "verify", lambda *_: True)
    signing = Signing(
        suite.Signer(SUITE, bytes(32)), lambda *_: None, lambda ticket, _: answers.put(ticket), pytest.fail
    )
    for ticket in range(TICKETS_MAX - 2):
        signing.verify(Verify(ticket, SUITE, b"greedy", b"", b""))
    for ticket in (5000, 5001):
        signing.verify(Verify(ticket, SUITE, b"modest", b"", b""))
    signing.start()
    assert [answers.get(timeout=WAIT_S) for _ in range(5)] == [0, 5000, 1, 5001, 2]
    signing.stop(WAIT_S)


def test_votes_are_verified_before_others_but_not_for_ever(monkeypatch):
    answers: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(suite, "verify", lambda *_: True)
    signing = Signing(
        suite.Signer(SUITE, bytes(32)), lambda *_: None, lambda ticket, _: answers.put(ticket), pytest.fail
    )
    for ticket in range(20):
        signing.verify(Verify(ticket, SUITE, b"bulk", b"", b""))
    for ticket in range(100, 100 + VOTES_IN_A_ROW + 2):
        signing.verify(Verify(ticket, SUITE, b"member", b"", b"", is_vote=True))
    signing.start()
    order = [answers.get(timeout=WAIT_S) for _ in range(VOTES_IN_A_ROW + 5)]
    row = list(range(100, 100 + VOTES_IN_A_ROW))
    assert order == [*row, 0, 100 + VOTES_IN_A_ROW, 101 + VOTES_IN_A_ROW, 1, 2]
    signing.stop(WAIT_S)


def test_a_signer_that_fails_is_said_once_and_answers_no_more(desk, monkeypatch):
    def broken(message: bytes) -> bytes:
        raise MemoryError("no room to sign")

    monkeypatch.setattr(desk.signer, "sign", broken)
    desk.signing.sign(Sign(1, b"first"))
    failure = desk.failures.get(timeout=WAIT_S)
    assert "sign" in str(failure) and "no room to sign" in str(failure)
    desk.signing.sign(Sign(2, b"second"))
    desk.signing.stop(WAIT_S)
    assert desk.answers.empty() and desk.failures.empty()


def test_a_verifier_that_fails_is_said_too(desk, monkeypatch):
    def broken(*args: object) -> bool:
        raise OSError("the library is gone")

    monkeypatch.setattr(suite, "verify", broken)
    desk.verify(1, b"message", bytes(2420))
    failure = desk.failures.get(timeout=WAIT_S)
    assert "verify" in str(failure) and "the library is gone" in str(failure)
