"""Large bodies under any loss, disorder, repetition, kill and lie: they arrive, and nothing else is ever kept."""

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.limits import BLOB_CHUNK_BYTES
from edge.wire.blob import BlobPart, decode_blob_frame, encode_blob_part
from edge.wire.frame import Channel
from tests.blobs import Blobs, bytes_of

NAMES = ["a", "b", "c", "d"]


def spoiled(payload: bytes, chance: Random) -> bytes:
    """A part with a byte changed, cut, or under another number."""
    frame = decode_blob_frame(payload)
    assert isinstance(frame, BlobPart)
    if not frame.data:
        return payload
    at = chance.randrange(len(frame.data))
    flipped = frame.data[:at] + bytes([frame.data[at] ^ 1 << chance.randrange(8)]) + frame.data[at + 1 :]
    data = chance.choice((flipped, frame.data[:at], bytes(BLOB_CHUNK_BYTES)))
    return encode_blob_part(frame._replace(data=data))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    chunks=st.integers(1, 12),
    loss=st.sampled_from((0.0, 0.1, 0.3)),
    twice=st.sampled_from((0.0, 0.3)),
    kills=st.lists(st.tuples(st.sampled_from("bcd"), st.integers(1, 12)), max_size=4),
    liars=st.sets(st.sampled_from("bc"), max_size=2),
)
def test_a_blob_arrives_whatever_happens_on_the_way(
    seed: int, chunks: int, loss: float, twice: float, kills: list[tuple[str, int]], liars: set[str]
) -> None:
    """`a` and `b` have it, `c` and `d` want it; whoever lies spoils what it sends, whoever is killed comes back."""
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as root:
        site = Blobs(Path(root), NAMES, seed=seed)
        site.boot_all()
        site.run(11)
        data = bytes_of(chunks, seed % 97)
        digest = site.put("a", data)
        site.put("b", data)
        site.fate = lambda sender, to, channel: (
            (0 if chance.random() < loss else 2 if chance.random() < twice else 1) if channel is Channel.BLOB else 1
        )
        honest, bad = site._put, [NAMES.index(name) for name in liars]

        def put(sender: int, to: int, channel: Channel, payload: bytes) -> None:
            lies = channel is Channel.BLOB and sender in bad and isinstance(decode_blob_frame(payload), BlobPart)
            honest(sender, to, channel, spoiled(payload, chance) if lies else payload)

        site._put = put  # type: ignore[method-assign]
        for name in "cd":
            site.want(name, digest)
        for name, steps in kills:
            for _ in range(steps):
                site.run(0.05, shuffle=True)
            site.machines[name].kill()
            site.run(0.2, shuffle=True)
            site.boot(name)
            if name in "cd" and not site.keeps(name, digest):
                assert site.machines[name].node.blobs.rows(), "it is still wanted after a restart"
        for _ in range(40):  # a source that seemed to lie is asked again after ten minutes
            if site.keeps("c", digest) and site.keeps("d", digest):
                break
            site.run(60, step_ms=50, shuffle=True)
        for name in NAMES:
            assert (site.root / name / digest.hex()).read_bytes() == data
            whole = [path.name for path in (site.root / name).iterdir() if len(path.name) == 64]
            assert whole == [digest.hex()]
