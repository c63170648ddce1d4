"""Which checkpoint others' vertices name: ours, another one of the same version, or one that we do not know."""

from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Final
from edge.consensus.views import AGAIN_MS, PATIENCE_MS, Differing, Views
from edge.limits import CHECKPOINTS_NAMED_MAX
from edge.wire.items import Question
from edge.wire.vertex import Header, Known, encode_header

SITE = bytes(8)


def final(version: int, value: bytes = b"x", before: bytes | None = None, scope: str = "site") -> Final:
    question = Question(scope, 1, CHECKPOINT_KEY, version, None if version == 1 else before or bytes(32))
    return Final(question, value, 0, b"")


def known(one: Final) -> Known:
    return Known(one.question.version, final_id(SITE, one.question, value_digest(one.value))[:16])


def says(author: int, named: Known | None, seq: int = 1) -> Header:
    return encode_header(
        suite=1, site=SITE, epoch=1, author=author, incarnation=1, seq=seq, prev=bytes(32) if seq > 1 else None,
        parents=(), hlc=seq, body=None, checkpoint=named,
    )  # fmt: skip


def test_ours_is_the_newest_of_the_site_and_of_nothing_else() -> None:
    views = Views(SITE)
    assert views.known is None
    views.learned(final(1))
    views.learned(final(3))
    views.learned(final(2))
    views.learned(final(9, scope="cell-a"))
    views.learned(Final(Question("site", 1, "model", 7, bytes(32)), b"x", 0, b""))
    assert views.known == known(final(3))


def test_who_names_what_we_hold_or_do_not_know_does_not_differ() -> None:
    views = Views(SITE)
    views.learned(final(2))
    for named in (None, known(final(2)), Known(1, b"?" * 16), Known(3, b"?" * 16)):
        if named is None or named.version != 1:
            views.heard(says(4, named), 0.0)
    views.heard(says(5, None), 0.0)
    assert not views.differing and set(views.named) == {4}
    assert views.named[4].version == 3


def test_another_one_of_the_same_version_differs_whichever_came_first() -> None:
    views = Views(SITE)
    views.learned(final(2))
    views.heard(says(4, Known(2, b"?" * 16)), 0.0)
    views.heard(says(5, Known(3, b"!" * 16)), 0.0)
    assert views.take_differing() == [Differing(4, Known(2, b"?" * 16))]
    views.learned(final(3))
    assert views.take_differing() == [Differing(5, Known(3, b"!" * 16))]
    assert views.differed == 2 and views.take_differing() == []
    views.heard(says(5, Known(3, b"!" * 16), seq=2), 0.0)
    assert views.take_differing() == [], "once"
    views.heard(says(4, known(final(3)), seq=2), 0.0)
    assert set(views.differing) == {5}, "it names ours by now"


def test_the_predecessor_of_what_is_final_is_known_as_well() -> None:
    views, first = Views(SITE), final(1)
    views.learned(final(2, before=final_id(SITE, first.question, value_digest(b"x"))))
    views.heard(says(4, known(first)), 0.0)
    views.heard(says(5, known(final(1, b"other"))), 0.0)
    assert [differing.author for differing in views.take_differing()] == [5]


def test_of_a_version_that_was_decided_again_both_are_ours() -> None:
    views = Views(SITE)
    for one in (final(2), final(2, b"again")):
        views.learned(one)
    views.heard(says(4, known(final(2))), 0.0)
    views.heard(says(5, known(final(2, b"again"))), 0.0)
    assert not views.differing and views.known == known(final(2, b"again"))


def test_who_is_ahead_is_worth_a_question_after_a_while_and_then_rarely() -> None:
    views = Views(SITE)
    views.learned(final(2))
    views.heard(says(4, Known(3, bytes(16))), 100.0)
    assert views.ahead(100.0) == []
    assert views.ahead(100.0 + PATIENCE_MS) == [4]
    views.heard(says(4, Known(4, bytes(16)), seq=2), 200.0)
    assert views.ahead(100.0 + PATIENCE_MS + AGAIN_MS - 1) == []
    assert views.ahead(100.0 + PATIENCE_MS + AGAIN_MS) == [4]
    views.learned(final(4))
    assert views.ahead(1e9) == []


def test_only_so_many_versions_are_compared() -> None:
    """CHECKPOINTS_NAMED_MAX."""
    views = Views(SITE)
    for version in range(1, 2 * CHECKPOINTS_NAMED_MAX):
        views.learned(final(version))
    assert len(views._ids) == CHECKPOINTS_NAMED_MAX
    views.heard(says(4, Known(1, b"?" * 16)), 0.0)
    assert not views.differing
