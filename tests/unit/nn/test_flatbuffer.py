"""Every look into a FlatBuffer goes through a bound: each check alone, on a file that lies in one place."""

import contextlib
import struct
from collections.abc import Callable

import pytest

from edge.limits import MODEL_NUMBERS_MAX
from edge.nn.errors import ModelError
from edge.nn.flatbuffer import Source, Table
from edge.nn.flatbuffer_writer import Blob, Scalar, Vector, write
from edge.nn.flatbuffer_writer import Table as Written
from tests.unit.nn import broken

NUMBER, TEXT, INNER, MANY, NUMBERS, BYTES, MISSING = range(7)


def whole() -> bytes:
    inner = Written({0: Scalar("i", 5)})
    return write(
        Written(
            {
                NUMBER: Scalar("i", -7),
                TEXT: "grün",
                INNER: inner,
                MANY: [inner, Written({})],
                NUMBERS: Vector("q", [1, -2, 3]),
                BYTES: Blob(b"abc"),
            }
        ),
        b"TEST",
    )


def root(data: bytes) -> Table:
    return Source(data, "m").root(b"TEST")


def test_what_was_written_is_read():
    table = root(whole())
    assert table.scalar(NUMBER, "number", "i", 0) == -7
    assert table.text(TEXT, "text", 9) == "grün"
    inner = table.table(INNER, "inner")
    assert inner is not None and inner.scalar(0, "n", "i", 0) == 5
    assert [one.scalar(0, "n", "i", 9) for one in table.tables(MANY, "many", 2)] == [5, 9]
    assert table.numbers(NUMBERS, "numbers", "q", 3) == (1, -2, 3)
    found = table.content(BYTES, "bytes")
    assert found is not None and bytes(found[1]) == b"abc"


def test_absent_fields_answer_with_their_default():
    table = root(whole())
    for number in (MISSING, 400):
        assert table.scalar(number, "x", "f", 0.5) == 0.5
        assert table.table(number, "x") is None
        assert table.tables(number, "x", 1) == ()
        assert table.numbers(number, "x", "i", 1) == ()
        assert table.content(number, "x") is None
        assert table.text(number, "x", 1) == ""
        assert not table.has(number)


def test_content_is_not_copied():
    data = bytearray(whole())
    found = root(data).content(BYTES, "bytes")  # type: ignore[arg-type]
    assert found is not None
    data[found[0]] = ord("z")
    assert bytes(found[1]) == b"zbc"
    assert found[1].readonly


def test_text_that_is_no_utf8_shows_as_escapes():
    data = whole()
    at = broken.led_to(data, broken.field_at(data, broken.root_at(data), TEXT)) + 4
    assert root(broken.patched(data, at + 2, "B", 0xFF)).text(TEXT, "text", 9) == r"gr\xff\xbcn"


LOOKS: tuple[Callable[[Table], object], ...] = (
    lambda table: table.scalar(NUMBER, "number", "i", 0),
    lambda table: table.text(TEXT, "text", 9),
    lambda table: [one.scalar(0, "n", "i", 0) for one in table.tables(MANY, "many", 2)],
    lambda table: table.numbers(NUMBERS, "numbers", "q", 3),
    lambda table: table.has(MISSING),
)


@pytest.mark.parametrize("size", range(len(whole())))
def test_a_file_cut_anywhere_is_refused_or_reads_the_same(size: int):
    """What lies behind the cut cannot be seen; what lies before it is what it was."""
    for look in LOOKS:
        with contextlib.suppress(ModelError):
            assert look(root(whole()[:size])) == look(root(whole()))


def test_an_empty_file_is_refused():
    with pytest.raises(ModelError, match=r"model m: file at byte 0: 0 bytes \(allowed: 8 or more\)"):
        root(b"")


def test_another_kind_of_file_is_refused():
    with pytest.raises(ModelError, match=r"identifier b'TEST' \(allowed: b'TFL3'\)"):
        Source(whole(), "m").root(b"TFL3")


@pytest.mark.parametrize(
    ("offset", "what"),
    [(0, "leads to byte 0"), (3, "leads to byte 3"), (9, "leads to byte 9"), (2**32 - 4, "leads to byte 4294967292")],
)
def test_an_offset_leads_forward_aligned_and_inside(offset: int, what: str):
    with pytest.raises(ModelError, match=f"root at byte 0: offset {what} "):
        root(broken.patched(whole(), 0, "I", offset))


def test_an_offset_may_not_lead_behind_the_end():
    data = whole()
    at = broken.field_at(data, broken.root_at(data), INNER)
    with pytest.raises(ModelError, match=f"inner at byte {at}: offset leads to byte {len(data)} "):
        root(broken.patched(data, at, "I", len(data) - at)).table(INNER, "inner")


@pytest.mark.parametrize("back", [2**31 - 1, -(2**31), 1])
def test_a_vtable_lies_inside_and_even(back: int):
    data = whole()
    with pytest.raises(ModelError, match=r"vtable at byte .* \(allowed: even, 0 to"):
        root(broken.patched(data, broken.root_at(data), "i", back))


def test_a_vtable_may_not_be_its_own_table():
    """A cycle: the table would describe itself."""
    data = broken.patched(whole(), broken.root_at(whole()), "i", 0)
    place = broken.root_at(data)
    data = broken.patched(broken.patched(data, place, "H", 0), place + 2, "H", 0)
    with pytest.raises(ModelError, match="vtable of 0 bytes"):
        root(data)
    inside = broken.root_at(data) + 8
    data = broken.patched(data, place, "i", -8)
    data = broken.patched(broken.patched(data, inside, "H", 4), inside + 2, "H", 12)
    with pytest.raises(ModelError, match="lies in its own table"):
        root(data)


@pytest.mark.parametrize("size", [0, 2, 5, 65534])
def test_a_vtable_says_a_size_that_it_can_have(size: int):
    data = whole()
    at = broken.vtable_at(data, broken.root_at(data))
    with pytest.raises(ModelError, match=f"root at byte {at}: vtable of {size} bytes"):
        root(broken.patched(data, at, "H", size))


@pytest.mark.parametrize("size", [0, 3, 65535])
def test_a_table_says_a_size_that_it_can_have(size: int):
    data = whole()
    at = broken.vtable_at(data, broken.root_at(data))
    with pytest.raises(ModelError, match=f"table of {size} bytes"):
        root(broken.patched(data, at + 2, "H", size))


@pytest.mark.parametrize("offset", [1, 3, 65535])
def test_a_field_lies_in_its_table(offset: int):
    data = whole()
    slot = broken.vtable_at(data, broken.root_at(data)) + 4 + 2 * NUMBER
    with pytest.raises(ModelError, match=rf"number at byte \d+: is {offset} bytes into its table"):
        root(broken.patched(data, slot, "H", offset)).scalar(NUMBER, "number", "i", 0)


def test_the_last_bytes_of_a_table_hold_no_wider_field():
    data = whole()
    (size,) = struct.unpack_from("<H", data, broken.vtable_at(data, broken.root_at(data)) + 2)
    slot = broken.vtable_at(data, broken.root_at(data)) + 4 + 2 * NUMBER
    table = root(broken.patched(data, slot, "H", size - 2))
    assert isinstance(table.scalar(NUMBER, "number", "h", 0), int)
    with pytest.raises(ModelError, match="into its table"):
        table.scalar(NUMBER, "number", "i", 0)


@pytest.mark.parametrize("count", [1000, 2**31, 2**32 - 1])
def test_a_vector_ends_where_the_file_ends(count: int):
    data = whole()
    at = broken.led_to(data, broken.field_at(data, broken.root_at(data), NUMBERS))
    room = (len(data) - at - 4) // 8
    with pytest.raises(ModelError, match=rf"numbers at byte {at}: {count} elements \(allowed: up to {room}, where"):
        root(broken.patched(data, at, "I", count)).numbers(NUMBERS, "numbers", "q", 2**33)


def test_a_vector_has_as_many_elements_as_the_caller_takes():
    table = root(whole())
    for look in (
        lambda: table.numbers(NUMBERS, "it", "q", 2),
        lambda: table.tables(MANY, "it", 1),
        lambda: table.text(TEXT, "it", 4),
    ):
        with pytest.raises(ModelError, match=r"it at byte \d+: \d elements \(allowed: up to \d\)"):
            look()


def test_an_offset_inside_a_vector_of_tables_is_checked_too():
    data = whole()
    at = broken.led_to(data, broken.field_at(data, broken.root_at(data), MANY)) + 8
    with pytest.raises(ModelError, match=rf"many\[1\] at byte {at}: offset leads to byte {at} "):
        root(broken.patched(data, at, "I", 0)).tables(MANY, "many", 2)


def test_looking_at_the_same_bytes_again_and_again_ends():
    """A thousand references to one long name would make reading superlinear."""
    table = root(write(Written({0: "x" * 400_000}), b"TEST"))
    for _ in range(4):
        assert len(table.text(0, "long", 400_000)) == 400_000
    with pytest.raises(ModelError, match=r"refers to itself too often \(allowed: 4 × its size\)"):
        table.text(0, "long", 400_000)


def test_numbers_of_one_file_are_bounded_however_large_it_is():
    """Each costs thirty bytes once it is Python's."""
    half = MODEL_NUMBERS_MAX // 2
    table = root(write(Written({0: Vector("b", [0] * half), 1: Vector("b", [0])}), b"TEST"))
    for _ in range(2):
        assert len(table.numbers(0, "half", "b", half)) == half
    with pytest.raises(ModelError, match=rf"one at byte \d+: too many numbers .* {MODEL_NUMBERS_MAX} in all"):
        table.numbers(1, "one", "b", 1)
