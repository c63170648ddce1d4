"""Large bodies, to and from others: asks for chunks and verifies them, answers who asks, bounded both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from edge.effects import (
    DropBlob,
    OpenBlob,
    Opened,
    ReadBlob,
    SealBlob,
    Sealed,
    Send,
    Sign,
    StoreBlob,
    Verify,
)
from edge.ids import Instant
from edge.limits import BLOB_FETCHES_MAX, BLOB_FLIGHT_CHUNKS
from edge.mesh.blobs import Fetch, Part, Serving
from edge.node.desk import Desk
from edge.node.membership import Membership
from edge.wire.blob import (
    BlobPart,
    BlobRequest,
    Manifest,
    decode_blob_frame,
    encode_blob_part,
    encode_blob_request,
    encode_manifest,
    open_manifest,
)
from edge.wire.frame import Channel
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_BLOB, Sign1, join_sign1, sig_structure

COUNTED = (
    "kept",
    "chunks_taken",
    "chunks_wrong",
    "manifests_wrong",
    "timeouts",
    "parts_served",
    "served_bytes",
    "told_later",
)
ACTIVE = ("asking", "fetching")


class Job:
    """One blob on its way to our disk."""

    def __init__(self, digest: bytes, draw: Callable[[], int]) -> None:
        self.digest = digest
        self.state = "opening"
        """adding, opening, asking, fetching, sealing; failed: nothing more happens until it is wanted again."""
        self.fault = ""
        self.manifest: Manifest | None = None
        self.fetch = Fetch(draw)
        self.sources: dict[int, None] = {}
        self.liars: dict[int, None] = {}
        """Members whose manifests did not make the digest: not believed again."""
        self.verified = b""
        """The signed manifest whose signature was good."""
        self.writing = 0


class Blobs:
    """Fetches what is wanted, and serves what the store has. `chance(n)` gives n random bytes."""

    def __init__(
        self,
        desk: Desk,
        index: int,
        membership: Membership,
        may_answer: Callable[[Instant], Sequence[int]],
        chance: Callable[[int], bytes],
        refuse: Callable[[Refusal], None],
    ) -> None:
        self._desk = desk
        self._index = index
        self._membership = membership
        self._may_answer = may_answer
        self._refuse = refuse
        self._draw = lambda: int.from_bytes(chance(6), "big")
        self._jobs: dict[bytes, Job] = {}
        self._serving = Serving()
        self._counts = dict.fromkeys(COUNTED, 0)

    # ---- what people want

    def get(self, digest: bytes) -> None:
        """Have this blob; nothing happens if it is whole, or on its way. ValueError when too many are on their way."""
        job = self._jobs.get(digest)
        if job is None or job.state == "failed":
            self._open(self._begin(digest), None)

    def resume(self, digests: Iterable[bytes]) -> None:
        """Go on with what an earlier life did not end; the rest of too many at the next start."""
        for digest in list(digests)[:BLOB_FETCHES_MAX]:
            self.get(digest)

    def adding(self, digest: bytes) -> None:
        """The store is being given this blob; `add` follows. ValueError as above."""
        self._begin(digest).state = "adding"

    def add(self, digest: bytes, chunks: Manifest | str) -> None:
        """Sign what the store has been given as a partial blob, and keep it; a str says why it was not given."""
        job = self._jobs.get(digest)
        if job is None or job.state != "adding":
            return None  # it was removed meanwhile
        if isinstance(chunks, str):
            return self._fail(job, chunks)
        roster = self._membership.roster
        member = roster.member(self._index)
        assert member is not None
        payload = encode_manifest(chunks._replace(site=roster.site, author=self._index))

        def signed(signature: bytes, now: Instant) -> None:
            if self._is_wanted(job):
                job.verified = join_sign1(member.suite, payload, signature)
                self._open(job, job.verified)

        return self._desk.do(Sign(self._desk.ticket(signed), sig_structure(member.suite, PURPOSE_BLOB, payload)))

    def remove(self, digest: bytes) -> None:
        """Neither have it nor want it."""
        job = self._jobs.get(digest)
        if job is not None:
            self._end(job)
        self._desk.do(DropBlob(digest))

    def rows(self) -> list[dict[str, Any]]:
        """What is on its way, for people."""
        return [
            {
                "sha256": job.digest.hex(),
                "state": job.state,
                "bytes": job.manifest.length if job.manifest else None,
                "chunks": job.manifest.chunks if job.manifest else None,
                "chunks_missing": job.fetch.missing if job.manifest else None,
                "from": list(job.sources),
                "fault": job.fault or None,
            }
            for job in self._jobs.values()
        ]

    def _begin(self, digest: bytes) -> Job:
        if digest not in self._jobs and len(self._jobs) >= BLOB_FETCHES_MAX:
            failed = [job for job in self._jobs.values() if job.state == "failed"]
            if not failed:
                raise ValueError(f"{len(self._jobs)} blobs are on their way already; wait, or remove one")
            self._end(failed[0])
        job = self._jobs[digest] = Job(digest, self._draw)
        return job

    # ---- frames

    def receive(self, payload: bytes, now: Instant) -> None:
        """A request or a part by a peer."""
        frame = decode_blob_frame(payload)
        roster = self._membership.roster
        if isinstance(frame, Refusal):
            self._refuse(frame)
        elif frame.site != roster.site:
            self._refuse(Refusal("site-other", frame.site.hex()))
        elif roster.member(frame.sender) is None or frame.sender == self._index:
            self._refuse(Refusal("author-unknown", str(frame.sender)))
        elif isinstance(frame, BlobPart):
            self._part(frame, now)
        elif not self._serving.offer(frame):
            self._counts["told_later"] += 1
            self._answer(frame, frame.chunks[0] if frame.chunks else None, None)

    def turn(self, now: Instant) -> None:
        """Ask for what is due and serve the next part; called when there is a link."""
        served = self._serving.next(now)
        if served is not None:
            ticket = self._desk.ticket(partial(self._read, *served))
            self._desk.do(ReadBlob(ticket, served[0].digest, served[1]))
        if not self._jobs:
            return
        room = BLOB_FLIGHT_CHUNKS - sum(job.fetch.in_flight + job.writing for job in self._jobs.values())
        for job in list(self._jobs.values()):
            if job.state not in ACTIVE:
                continue
            site = self._membership.roster.site
            others = [other.fetch for other in self._jobs.values() if other is not job]
            busy = partial(_has_any_asked, others)
            for ask in job.fetch.asks(partial(self._may_answer, now), room, now, busy):
                frame = BlobRequest(site, self._index, ask.correlation, job.digest, ask.chunks)
                self._desk.do(Send(ask.to, Channel.BLOB, encode_blob_request(frame)))
                room -= len(ask.chunks)

    def deadline(self) -> float:
        due_ms = self._serving.deadline()
        for job in self._jobs.values():
            if job.state in ACTIVE:
                due_ms = min(due_ms, job.fetch.deadline())
        return due_ms

    # ---- serving

    def _read(self, request: BlobRequest, part: Part, data: bytes | None, now: Instant) -> None:
        self._serving.done(request, None if data is None else len(data), now)
        if data is not None:
            self._counts["parts_served"] += 1
            self._counts["served_bytes"] += len(data)
        self._answer(request, part, data)

    def _answer(self, request: BlobRequest, part: Part, data: bytes | None) -> None:
        frame = BlobPart(self._membership.roster.site, self._index, request.correlation, part, data)
        self._desk.do(Send(request.sender, Channel.BLOB, encode_blob_part(frame)))

    # ---- receiving

    def _open(self, job: Job, manifest: bytes | None) -> None:
        job.state = "opening"
        ticket = self._desk.ticket(partial(self._opened, job))
        self._desk.do(OpenBlob(ticket, job.digest, manifest))

    def _opened(self, job: Job, opened: Opened, now: Instant) -> None:
        if not self._is_wanted(job):
            return
        raw = opened.manifest
        if opened.fault:
            self._fail(job, opened.fault)
        elif opened.is_complete:
            self._end(job)
        elif raw is None:
            job.state = "asking"
        elif raw != job.verified:
            self._check(job, raw, partial(self._remembered, job, raw), now)
        else:
            manifest, _ = _opened_manifest(raw)
            held = dict.fromkeys(opened.held)
            job.manifest, job.state = manifest, "fetching"
            job.fetch.needs(number for number in range(manifest.chunks) if number not in held)
            self._complete(job)

    def _remembered(self, job: Job, raw: bytes, refusal: Refusal | None, now: Instant) -> None:
        """What an earlier life left on the disk is believed as little as what a peer says."""
        if refusal is None:
            job.verified = raw
        else:
            self._desk.do(DropBlob(job.digest))
        self._open(job, None)

    def _check(self, job: Job, raw: bytes, then: Callable[[Refusal | None, Instant], None], now: Instant) -> None:
        """Whether a signed manifest may be believed; `then` is told, at once or when its signature is checked."""
        known = open_manifest(raw)
        if isinstance(known, Refusal):
            return then(known, now)
        manifest, signed = known
        roster = self._membership.roster
        author = roster.member(manifest.author)
        if manifest.digest != job.digest or manifest.site != roster.site:
            return then(Refusal("manifest-other", manifest.digest.hex()), now)
        if author is None or author.suite != signed.suite:
            return then(Refusal("author-unknown", str(manifest.author)), now)

        def verified(ok: bool, now: Instant) -> None:
            if self._is_wanted(job):
                then(None if ok else Refusal("signature-bad"), now)

        message = sig_structure(signed.suite, PURPOSE_BLOB, signed.payload)
        ticket = self._desk.ticket(verified)
        return self._desk.do(Verify(ticket, signed.suite, author.public_key, message, signed.signature))

    def _part(self, frame: BlobPart, now: Instant) -> None:
        asked = [job for job in self._jobs.values() if job.fetch.expects(frame.sender, frame.correlation, frame.number)]
        if not asked:
            return self._refuse(Refusal("reply-unasked", str(frame.sender)))
        job = asked[0]
        if frame.data is None:
            return job.fetch.lacks(frame.sender, now)
        if frame.number is None:
            return self._check(job, frame.data, partial(self._told, job, frame.sender, frame.data), now)
        return self._chunk(job, frame.sender, frame.number, frame.data, now)

    def _told(self, job: Job, sender: int, raw: bytes, refusal: Refusal | None, now: Instant) -> None:
        """A peer has sent a manifest: the first one that holds is what we go by."""
        if refusal is not None:
            return self._distrust(job, sender, refusal, now)
        manifest, _ = _opened_manifest(raw)
        if manifest.author in job.liars or (
            job.verified and manifest.hashes != _opened_manifest(job.verified)[0].hashes
        ):
            return job.fetch.lacks(sender, now)  # of two that differ the end will tell which is true
        job.fetch.took(sender, None, now)
        if not job.verified:
            job.verified = raw
            self._open(job, raw)
        return None

    def _chunk(self, job: Job, sender: int, number: int, data: bytes, now: Instant) -> None:
        assert job.manifest is not None
        if not job.manifest.has(number, data):
            self._counts["chunks_wrong"] += 1
            return self._distrust(job, sender, Refusal("chunk-digest", f"{number} of {job.digest.hex()}"), now)
        job.fetch.took(sender, number, now)
        job.sources[sender] = None
        job.writing += 1
        self._counts["chunks_taken"] += 1
        ticket = self._desk.ticket(partial(self._written, job))
        self._desk.do(StoreBlob(ticket, job.digest, number, data))
        return None

    def _written(self, job: Job, fault: str, now: Instant) -> None:
        job.writing -= 1
        if not self._is_wanted(job):
            return
        if fault:
            self._fail(job, fault)
        else:
            self._complete(job)

    def _complete(self, job: Job) -> None:
        """Seal it once every chunk is written."""
        if job.state == "fetching" and job.fetch.is_complete and not job.writing:
            job.state = "sealing"
            self._desk.do(SealBlob(self._desk.ticket(partial(self._sealed, job)), job.digest))

    def _sealed(self, job: Job, sealed: Sealed, now: Instant) -> None:
        if not self._is_wanted(job):
            return
        assert job.manifest is not None
        if sealed.fault:
            self._fail(job, sealed.fault)
        elif sealed.is_true:
            self._end(job)
            self._counts["kept"] += 1
            sha256, names = job.digest.hex(), ", ".join(map(self._name, job.sources))
            self._desk.report("info", "blob-kept", sha256=sha256, bytes=job.manifest.length, sources=names or "here")
        else:
            self._counts["manifests_wrong"] += 1
            author = self._name(job.manifest.author)
            self._desk.report("warning", "blob-manifest-wrong", sha256=job.digest.hex(), signed_by=author)
            self._desk.do(DropBlob(job.digest))
            again = self._jobs[job.digest] = Job(job.digest, self._draw)
            again.liars = job.liars | {job.manifest.author: None}
            self._open(again, None)

    def _end(self, job: Job) -> None:
        self._counts["timeouts"] += job.fetch.timeouts
        del self._jobs[job.digest]

    def _fail(self, job: Job, fault: str) -> None:
        job.state, job.fault = "failed", fault
        self._desk.report("warning", "blob-failed", sha256=job.digest.hex(), reason=fault)

    def _distrust(self, job: Job, sender: int, refusal: Refusal, now: Instant) -> None:
        """What came in a member's name is wrong. Whether it sent it is another question: it loses time, and no more."""
        job.fetch.lied(sender, now)
        self._refuse(refusal)
        said = {"sha256": job.digest.hex(), "sender": self._name(sender), "reason": refusal.reason}
        self._desk.report("warning", "blob-wrong", **said)

    def _is_wanted(self, job: Job) -> bool:
        """It has not been removed, or begun anew, while the world was busy with it."""
        return self._jobs.get(job.digest) is job

    def _name(self, index: int) -> str:
        member = self._membership.roster.member(index)
        return member.name if member is not None else str(index)

    def counts(self) -> dict[str, int]:
        timeouts = self._counts["timeouts"] + sum(job.fetch.timeouts for job in self._jobs.values())
        counts = {**self._counts, "timeouts": timeouts, "coming": len(self._jobs)}
        return {f"blob_{name}": count for name, count in counts.items()}


def _opened_manifest(raw: bytes) -> tuple[Manifest, Sign1]:
    """One that was opened before."""
    known = open_manifest(raw)
    assert not isinstance(known, Refusal)
    return known


def _has_any_asked(fetches: list[Fetch], member: int) -> bool:
    return any(fetch.has_asked(member) for fetch in fetches)
