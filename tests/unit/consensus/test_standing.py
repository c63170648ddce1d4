"""What registers hold as a few bytes: equal for equal holdings alone, and of many keys only a part is talked about."""

from random import Random

from edge.consensus.checkpoint import CHECKPOINT_KEY, Checkpoints, Head
from edge.consensus.registers import Final, Registers
from edge.consensus.standing import Standing
from edge.limits import (
    CERTIFICATE_BYTES_MAX,
    FINALS_FRAME_BYTES_MAX,
    FINALS_KEYS_MAX,
    FINALS_PARTS_MAX,
    FRAME_BYTES_MAX,
    REGISTERS_MAX,
)
from edge.wire.cbor import encode
from edge.wire.finals import (
    MARK_BYTES,
    FinalsReply,
    FinalsRequest,
    decode_finals_reply,
    decode_finals_request,
    encode_finals_reply,
    encode_finals_request,
    tag_of,
)
from edge.wire.items import Question
from edge.wire.refusal import Refusal

SITE = b"sitesite"


def final(key: int, version: int, size: int = 100) -> Final:
    before = None if version == 1 else bytes(32)
    return Final(Question("site", 1, f"key/{key}", version, before), b"v", 0, bytes(size))


def holding(*finals: Final) -> tuple[Registers, Standing]:
    registers = Registers(SITE)
    for one in finals:
        registers.take(one)
    return registers, Standing(registers, Checkpoints(SITE, registers))


def certificates_of(standing: Standing, asked: FinalsRequest) -> list[Final]:
    found, unsealed = standing.answer(asked)
    assert unsealed is None
    return found


def request(standing: Standing, said: bytes, correlation: int = 0) -> FinalsRequest:
    parts, asked = len(said) // MARK_BYTES, standing.ahead(said)
    return FinalsRequest(SITE, 1, correlation, parts, asked, standing.held(parts, asked))


def test_equal_holdings_say_the_same_in_whatever_order_they_came() -> None:
    finals = [final(key, 1 + key % 3) for key in range(200)]
    _, one = holding(*finals)
    Random(1).shuffle(finals)
    _, other = holding(*finals)
    assert one.said() == other.said() and one.ahead(other.said()) == ()
    assert holding()[1].said() == b"" and one.ahead(b"") == ()


def test_who_has_more_is_ahead_and_who_has_as_much_of_something_else_both_are() -> None:
    _, less = holding(final(1, 1), final(2, 1))
    _, more = holding(final(1, 1), final(2, 2))
    _, other = holding(final(1, 2), final(2, 1))
    assert less.ahead(more.said()) == (0,) and more.ahead(less.said()) == ()
    assert more.ahead(other.said()) == other.ahead(more.said()) == (0,)


def test_the_parts_grow_with_the_keys_and_end() -> None:
    for keys, parts in ((1, 1), (FINALS_KEYS_MAX, 1), (FINALS_KEYS_MAX + 1, 2), (REGISTERS_MAX, FINALS_PARTS_MAX)):
        _, standing = holding(*(final(key, 1) for key in range(keys)))
        assert len(standing.said()) == parts * MARK_BYTES
    _, standing = holding(*(final(key, 1) for key in range(2 * REGISTERS_MAX)))
    assert len(standing.said()) == FINALS_PARTS_MAX * MARK_BYTES


def test_one_final_among_a_thousand_costs_one_part_and_one_certificate() -> None:
    finals = [final(key, 1) for key in range(REGISTERS_MAX)]
    _, behind = holding(*finals)
    _, ahead = holding(*finals[:77], final(77, 2), *finals[78:])
    asked = request(behind, ahead.said())
    assert len(asked.asked) == 1 and len(asked.held) < 2 * FINALS_KEYS_MAX
    assert len(encode_finals_request(asked)) < 1500
    assert [one.question.key for one in certificates_of(ahead, asked)] == ["key/77"]


def test_a_beginner_gets_all_in_answers_that_fit() -> None:
    _, ahead = holding(*(final(key, 1, 11_000) for key in range(100)))
    registers, behind = holding()
    answers = 0
    while asked := behind.ahead(ahead.said()):
        assert asked == request(behind, ahead.said()).asked
        found = certificates_of(ahead, request(behind, ahead.said(), correlation=answers * 7))
        raw = encode_finals_reply(FinalsReply(SITE, 2, 0, tuple(one.certificate for one in found)))
        assert len(raw) <= FINALS_FRAME_BYTES_MAX
        assert len(raw) >= CERTIFICATE_BYTES_MAX - 11_010 or len(registers) + len(found) == 100
        for one in found:
            assert registers.take(one), "nothing twice"
        answers += 1
    assert len(registers) == 100 and answers == 5


def test_the_largest_certificate_is_handed_over() -> None:
    _, ahead = holding(final(1, 1, CERTIFICATE_BYTES_MAX), final(2, 1))
    found = certificates_of(ahead, FinalsRequest(SITE, 1, 0, 1, (0,), ()))
    assert len(found) == 1
    assert len(encode_finals_reply(FinalsReply(SITE, 2, 0, (found[0].certificate,)))) <= FINALS_FRAME_BYTES_MAX


def test_the_answer_begins_elsewhere_with_each_question() -> None:
    _, ahead = holding(*(final(key, 1, CERTIFICATE_BYTES_MAX // 2 + 1) for key in range(3)))
    first = [certificates_of(ahead, FinalsRequest(SITE, 1, number, 1, (0,), ()))[0].question.key for number in range(3)]
    assert len({*first}) == 3, "one that cannot be used does not stand before the others for ever"


def test_the_asker_may_be_ahead_elsewhere_and_shows_it() -> None:
    _, one = holding(final(1, 3), final(2, 1))
    _, other = holding(final(1, 1), final(2, 2), final(3, 1))
    asked = request(other, one.said())
    assert [found.question.key for found in certificates_of(one, asked)] == ["key/1"]
    assert one.lacking(asked) == (0,) and other.lacking(asked) == ()


def test_a_request_names_no_more_registers_than_there_may_be() -> None:
    _, standing = holding(*(final(key, 2**53 - 1) for key in range(REGISTERS_MAX + 50)))
    held = standing.held(1, (0,))
    assert len(held) == REGISTERS_MAX
    raw = encode_finals_request(FinalsRequest(SITE, 2**32 - 1, 2**53 - 1, 1, (0,), held))
    assert len(raw) <= FRAME_BYTES_MAX
    more = sorted({*held, (tag_of("site", "key/x"), 1)})
    flat = [field for pair in more for field in pair]
    assert decode_finals_request(encode([SITE, 1, 1, 1, [0], flat])) == Refusal("finals-many", str(REGISTERS_MAX + 1))


# ---- what a checkpoint vouches for


class Sealed:
    """A node that knows a checkpoint of all that is final there."""

    def __init__(self, *finals: Final, but: int = 0) -> None:
        """`but`: the last so many came after it."""
        self.registers = Registers(SITE)
        self.checkpoints = Checkpoints(SITE, self.registers)
        self.standing = Standing(self.registers, self.checkpoints)
        self.take(*finals[: len(finals) - but])
        value = self.checkpoints.value("site", [Head(0, 1, 1, bytes(16))], 1, 1)
        assert value is not None
        self.checkpoint = Final(Question("site", 1, CHECKPOINT_KEY, 1, None), value, 0, bytes(99))
        self.take(self.checkpoint, *finals[len(finals) - but :])

    def take(self, *finals: Final) -> None:
        for one in finals:
            assert self.registers.take(one)
            self.checkpoints.learned(one)


def everything() -> FinalsRequest:
    return FinalsRequest(SITE, 1, 0, 1, (0,), ())


def test_of_many_sealed_values_one_certificate_vouches() -> None:
    node = Sealed(*(final(key, 1) for key in range(20)), final(99, 1), but=1)
    found, unsealed = node.standing.answer(everything())
    assert {one.question.key for one in found} == {CHECKPOINT_KEY, "key/99"}
    assert unsealed is not None and len(unsealed.rows) == 20 and unsealed.leaves == ()
    asleep = Checkpoints(SITE, Registers(SITE))
    assert asleep.unseal(unsealed) is None, "the checkpoint comes first"
    assert asleep._registers.take(node.checkpoint)
    finals = asleep.unseal(unsealed)
    assert finals is not None and [(one.question.key, one.value, one.certificate) for one in finals] == [
        (row.key, b"v", b"") for row in unsealed.rows
    ]
    assert asleep.seals == node.checkpoints.seals


def test_who_holds_most_gets_rows_of_the_rest_and_the_leaves_of_what_it_holds() -> None:
    node = Sealed(*(final(key, 1) for key in range(20)))
    held = tuple(sorted((tag_of("site", f"key/{key}"), 1) for key in range(5, 20)))
    found, unsealed = node.standing.answer(FinalsRequest(SITE, 1, 0, 1, (0,), held))
    assert [one.question.key for one in found] == [CHECKPOINT_KEY]
    assert unsealed is not None and len(unsealed.rows) == 5
    assert [leaf.tag for leaf in unsealed.leaves] == [tag for tag, _ in held]


def test_one_sealed_value_comes_with_its_own_certificate_if_there_is_one() -> None:
    node = Sealed(final(1, 1))
    found, unsealed = node.standing.answer(everything())
    assert len(found) == 2 and unsealed is None
    bare = Sealed(final(1, 1, 0))
    found, unsealed = bare.standing.answer(everything())
    assert [one.question.key for one in found] == [CHECKPOINT_KEY]
    assert unsealed is not None and [row.key for row in unsealed.rows] == ["key/1"]


def test_a_row_a_leaf_or_one_less_that_is_not_below_the_root_is_found() -> None:
    node = Sealed(*(final(key, 1) for key in range(4)))
    held = ((tag_of("site", "key/3"), 1),)
    _, true = node.standing.answer(FinalsRequest(SITE, 1, 0, 1, (0,), held))
    assert true is not None
    rows, leaves = true.rows, true.leaves
    for false in (
        true._replace(rows=(rows[0]._replace(value=b"w"), *rows[1:])),
        true._replace(rows=(rows[0]._replace(key="key/00"), *rows[1:])),
        true._replace(rows=rows[1:]),
        true._replace(leaves=(leaves[0]._replace(version=2),)),
        true._replace(leaves=()),
        true._replace(scope="cell"),
    ):
        asleep = Checkpoints(SITE, Registers(SITE))
        asleep._registers.take(node.checkpoint)
        assert asleep.unseal(false) is None and asleep.seals == {}
        assert asleep.unseal(true) is not None


def test_large_values_leave_room_for_the_frame() -> None:
    values = [final(key, 1)._replace(value=bytes(1024)) for key in range(60)]
    node = Sealed(*values)
    found, unsealed = node.standing.answer(everything())
    assert unsealed is not None
    raw = encode_finals_reply(FinalsReply(SITE, 2, 0, tuple(one.certificate for one in found), unsealed))
    assert len(raw) <= FINALS_FRAME_BYTES_MAX


def test_a_thousand_registers_are_sealed_in_one_answer() -> None:
    """REGISTERS_MAX keys: the checkpoints go on from one another, what the newest one seals is one answer."""
    node = Sealed(*(final(key, 1) for key in range(40)))
    version = 1
    rest = [final(key, 1) for key in range(40, REGISTERS_MAX - 1)]
    node.take(*rest)
    while node.checkpoints.unsealed("site"):
        version += 1
        value = node.checkpoints.value("site", [Head(0, 1, 1, bytes(16))], 1, version)
        assert value is not None
        node.take(Final(Question("site", 1, CHECKPOINT_KEY, version, bytes(32)), value, 0, bytes(99)))
    found, unsealed = node.standing.answer(everything())
    assert [one.question.key for one in found] == [CHECKPOINT_KEY] and unsealed is not None
    raw = encode_finals_reply(FinalsReply(SITE, 2, 0, (found[0].certificate,), unsealed))
    assert len(unsealed.rows) == REGISTERS_MAX - 1 and len(raw) < 64_000
    assert decode_finals_reply(raw) == FinalsReply(SITE, 2, 0, (found[0].certificate,), unsealed)
