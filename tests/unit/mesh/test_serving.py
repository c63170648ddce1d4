"""Answering a request: within its budget, in chunks that fit a frame, each ending at a signature."""

from edge.ids import VertexKey
from edge.limits import CHUNK_BYTES, FRAME_BYTES_MAX, REPAIR_FLIGHT_BYTES, REPAIR_RANGES_MAX
from edge.mesh.serving import LOAD_VERTICES, Serving, Stretch
from edge.wire.frame import Range, ReplyFrame, VertexFrame, encode_reply

SIGNATURE = bytes(2420)


def line(author: int, length: int, through: int = 0) -> Stretch:
    return Stretch([VertexKey(author, 1, seq) for seq in range(1, length + 1)], through)


def held(key: VertexKey, body_bytes: int, signed: bool = True) -> tuple[VertexFrame, bytes | None]:
    header = key.author.to_bytes(2, "big") + key.seq.to_bytes(4, "big") + bytes(100)
    return VertexFrame(header, None, bytes(body_bytes)), SIGNATURE if signed else None


def chunks_of(serving: Serving, body_bytes: int, is_signed=lambda key: True, damaged=None) -> list[tuple[Range, ...]]:
    """Everything it answers when the disk holds what `held` says."""
    chunks = []
    while keys := serving.next_keys():
        assert len(keys) <= LOAD_VERTICES
        good = keys[: keys.index(damaged)] if damaged in keys else keys
        vertices = [held(key, body_bytes, is_signed(key)) for key in good]
        chunks += serving.loaded(vertices, complete=len(good) == len(keys))
    return [*chunks, serving.rest()]


def seqs(chunks: list[tuple[Range, ...]], author: int = 1) -> list[int]:
    found = [header for chunk in chunks for given in chunk for header in given.headers]
    return [int.from_bytes(header[2:6], "big") for header in found if int.from_bytes(header[:2], "big") == author]


def test_everything_in_order_and_every_chunk_fits_a_frame():
    chunks = chunks_of(Serving(2, 9, 10**6, [line(1, 100)]), 2000)
    assert seqs(chunks) == list(range(1, 101))
    for chunk in chunks:
        for given in chunk:
            assert len(given.headers) == len(given.bodies) and given.signature == SIGNATURE
        frame = encode_reply(ReplyFrame(bytes(8), 1, 9, False, chunk))
        assert len(frame) <= FRAME_BYTES_MAX
    assert sum(len(given.headers) for chunk in chunks for given in chunk) == 100


def test_one_signature_covers_many_small_vertices():
    chunks = chunks_of(Serving(2, 9, 10**6, [line(1, 160)]), 200)
    assert seqs(chunks) == list(range(1, 161))
    assert sum(map(len, chunks)) <= 2 * 160 // LOAD_VERTICES


def test_the_budget_ends_it():
    serving = Serving(2, 9, REPAIR_FLIGHT_BYTES, [line(1, 1000)])
    chunks = chunks_of(serving, 2000)
    sent = sum(len(header) + len(body or b"") for chunk in chunks for given in chunk
               for header, body in zip(given.headers, given.bodies, strict=True))  # fmt: skip
    assert REPAIR_FLIGHT_BYTES - CHUNK_BYTES < sent <= REPAIR_FLIGHT_BYTES + CHUNK_BYTES
    assert seqs(chunks) == list(range(1, len(seqs(chunks)) + 1)), "the oldest first: the rest is asked for again"
    assert serving.is_done


def test_nothing_without_a_signature_at_or_above_it():
    chunks = chunks_of(Serving(2, 9, 10**6, [line(1, 50)]), 300, is_signed=lambda key: key.seq <= 41)
    assert seqs(chunks) == list(range(1, 42))
    assert seqs(chunks_of(Serving(2, 9, 10**6, [line(1, 50)]), 300, is_signed=lambda key: False)) == []


def test_a_damaged_record_ends_its_line_and_no_other():
    lines = [line(1, 40), line(2, 5)]
    chunks = chunks_of(Serving(2, 9, 10**6, lines), 300, damaged=VertexKey(1, 1, 20))
    assert seqs(chunks) == list(range(1, 20))
    assert seqs(chunks, author=2) == [1, 2, 3, 4, 5]


def test_a_chunk_names_only_so_many_ranges():
    lines = [line(author, 1) for author in range(1, 3 * REPAIR_RANGES_MAX)]
    serving = Serving(2, 9, 10**9, lines)
    chunks = []
    while keys := serving.next_keys():
        vertices = [(VertexFrame(bytes(8), None, None), bytes(4)) for _ in keys]
        chunks += serving.loaded(vertices, complete=True)
    chunks.append(serving.rest())
    assert sum(map(len, chunks)) == len(lines)
    assert max(map(len, chunks)) == REPAIR_RANGES_MAX


def test_a_budget_of_nothing_is_answered_with_nothing():
    serving = Serving(2, 9, 0, [line(1, 5)])
    assert serving.next_keys() == []
    assert serving.is_done and serving.rest() == ()


def test_it_ends_at_the_first_signature_at_or_above_what_was_asked_for():
    def seqs_of(through: int, every: int) -> list[int]:
        serving = Serving(2, 9, 10**6, [line(1, 100, through), line(2, 3)])
        chunks = chunks_of(serving, 200, is_signed=lambda key: key.seq % every == 0 or key.author == 2)
        assert seqs(chunks, author=2) == [1, 2, 3]
        return seqs(chunks)

    assert seqs_of(20, 1) == list(range(1, 21))
    assert seqs_of(20, 7) == list(range(1, 22))
    assert seqs_of(33, 40) == list(range(1, 41))
    assert seqs_of(1, 1) == [1]
