"""A site in memory whose members keep large bodies: the shipped store, on directories of the test."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from edge.limits import BLOB_CHUNK_BYTES
from edge.shell.blobs import BlobStore
from edge.wire.blob import BlobPart, BlobRequest, decode_blob_frame, encode_manifest, manifest_of
from edge.wire.frame import Channel
from edge.wire.suite import PURPOSE_BLOB, sign1
from tests.builders import Machine, World, signer


def bytes_of(chunks: int, seed: int = 1) -> bytes:
    """A body of so many chunks, the last of which is short."""
    return Random(seed).randbytes(chunks * BLOB_CHUNK_BYTES - 999)


def cut(data: bytes) -> list[bytes]:
    return [data[at : at + BLOB_CHUNK_BYTES] for at in range(0, len(data), BLOB_CHUNK_BYTES)]


class Blobs(World):
    """`put` adds a body at a member, `want` has one fetched, `keeps` says whether it is there."""

    def __init__(self, root: Path, names: list[str], max_mb: int = 256, **options: object) -> None:
        super().__init__(names, **options)  # type: ignore[arg-type]
        self.root = root
        self.max_mb = max_mb
        self.written: list[tuple[str, str]] = []
        """What the stores have reported: who, and which event."""

    def boot(self, name: str, *, link: bool = True) -> Machine:
        machine = super().boot(name, link=False)
        machine.blobs = BlobStore(
            self.root / name,
            machine.index,
            self.max_mb,
            lambda level, event, fields: self.written.append((name, event)),
        )
        wanted = machine.blobs.recover()
        machine.node.blobs.resume(wanted)
        machine.do(machine.node.linked(link, self.now))
        return machine

    def put(self, name: str, data: bytes) -> bytes:
        machine = self.machines[name]
        assert machine.blobs is not None
        digest = manifest_of(bytes(8), 0, cut(data)).digest
        (machine.blobs.directory / ".add-1").write_bytes(data)
        machine.node.blobs.adding(digest)
        machine.node.blobs.add(digest, machine.blobs.adopt(".add-1", digest))
        machine.do(machine.node.tick(self.now))
        assert self.keeps(name, digest)
        return digest

    def want(self, name: str, digest: bytes) -> None:
        machine = self.machines[name]
        machine.node.blobs.get(digest)
        machine.do(machine.node.tick(self.now))

    def keeps(self, name: str, digest: bytes) -> bool:
        machine = self.machines[name]
        assert machine.blobs is not None
        kept = any((row["sha256"], row["state"]) == (digest.hex(), "kept") for row in machine.blobs.rows())
        return kept and manifest_of(bytes(8), 0, cut((self.root / name / digest.hex()).read_bytes())).digest == digest

    def until(self, holds: Callable[[], object], seconds: float = 60.0) -> None:
        end = self.ms + seconds * 1000
        while not holds():
            assert self.ms < end, f"not within {seconds} s: {[m.node.blobs.rows() for m in self.up()]}"
            self.run(0.05)

    def reports(self, name: str, event: str) -> list[dict[str, object]]:
        return [dict(report.fields) for report in self.machines[name].reports if report.event == event]

    def parts(self, frames: list[tuple[int, Channel, bytes]]) -> list[BlobPart]:
        decoded = [decode_blob_frame(payload) for _, channel, payload in frames if channel is Channel.BLOB]
        return [frame for frame in decoded if isinstance(frame, BlobPart)]

    def forge(self, name: str, data: bytes, claimed: bytes, author: int | None = None) -> bytes:
        """A manifest that `name` signs although what it lists does not make the digest it claims."""
        manifest = manifest_of(self.roster.site, self.names.index(name) if author is None else author, cut(data))
        return sign1(signer(name), PURPOSE_BLOB, encode_manifest(manifest._replace(digest=claimed)))


def requests(world: World, to: int) -> list[BlobRequest]:
    """Requests on the network for a member."""
    decoded = [
        decode_blob_frame(payload) for member, channel, payload in world.network if (member, channel) == (to, "b")
    ]
    return [frame for frame in decoded if isinstance(frame, BlobRequest)]
