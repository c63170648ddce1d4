"""What the node asks the world to do, in order. Where an effect has a ticket, its result comes back as an input."""

from typing import NamedTuple

from edge.dag.eliding import Span
from edge.dag.records import Record
from edge.ids import VertexKey
from edge.wire.event import Event
from edge.wire.frame import Channel
from edge.wire.items import Question

Ticket = int


class Persist(NamedTuple):
    """Append records to the journal; `stored(ticket, places)` once they are durable (at once if not `sync`).

    Places are None when there is no room: the same records are to be asked for again, and until they are taken no
    other vertex is.
    """

    ticket: Ticket
    records: tuple[Record, ...]
    sync: bool


class Load(NamedTuple):
    """Read records back; `loaded(ticket, records)`, None where a record is damaged."""

    ticket: Ticket
    places: tuple[int, ...]


class Trim(NamedTuple):
    """Drop every segment below `before`: floor file first, then `records` once more, then the segments.

    `trimmed(ticket, places)` with the new places of the records; None when there was no room to do it.
    """

    ticket: Ticket
    floor: bytes
    records: tuple[Record, ...]
    before: int


class Elide(NamedTuple):
    """Write a closed segment anew without signatures of these vertices, as far as others in it cover them; `elided(
    ticket, Elided)` once that is durable, None when there was no room to do it.

    Begun in order with `Persist`, and done in steps between what comes later.
    """

    ticket: Ticket
    segment: int
    spans: tuple[Span, ...]


class NoteVotes(NamedTuple):
    """Replace the note beside the key that says where we vote; `answered(ticket, is_durable)`, False without room.

    In order with `Persist`: what was given before is durable first, what comes after is written after.
    """

    ticket: Ticket
    data: bytes


class Fetch(NamedTuple):
    """Gateway: read vertices back from the store; `loaded(ticket, records)`, None where the store has none."""

    ticket: Ticket
    keys: tuple[VertexKey, ...]


class Sign(NamedTuple):
    """Sign with the node key; `signed(ticket, signature)`."""

    ticket: Ticket
    message: bytes


class Verify(NamedTuple):
    """Check a signature; `verified(ticket, ok)`. Those over what came as a vote go before others."""

    ticket: Ticket
    suite: int
    public_key: bytes
    message: bytes
    signature: bytes
    is_vote: bool = False


class Infer(NamedTuple):
    """Run a model on one input tensor (packed little-endian float32); `inferred(ticket, outputs)`, None on failure."""

    ticket: Ticket
    agent: str
    tensor: bytes


class Archive(NamedTuple):
    """Gateway: put vertices (header, signature, body) into the store; `archived(ticket)` after its sync."""

    ticket: Ticket
    vertices: tuple[tuple[bytes, bytes | None, bytes | None], ...]


class OpenBlob(NamedTuple):
    """Make ready to receive a blob, under a manifest once there is one; `answered(ticket, Opened)`."""

    ticket: Ticket
    digest: bytes
    manifest: bytes | None


class Opened(NamedTuple):
    """What the disk has of a blob."""

    manifest: bytes | None = None
    """As it was signed; None: none is kept yet."""
    held: tuple[int, ...] = ()
    """The chunks that are what the manifest says."""
    is_complete: bool = False
    """It is kept whole; nothing is to be done."""
    fault: str = ""
    """Why it cannot be received: no room, a dead disk."""


class ReadBlob(NamedTuple):
    """A chunk of a whole blob, or its manifest if `number` is None; `answered(ticket, bytes | None)`.

    What is no longer what the manifest says is dropped, and not answered.
    """

    ticket: Ticket
    digest: bytes
    number: int | None


class StoreBlob(NamedTuple):
    """Write a chunk that was verified; `answered(ticket, fault)`, "" when it is written. Nothing is synced."""

    ticket: Ticket
    digest: bytes
    number: int
    data: bytes


class SealBlob(NamedTuple):
    """All chunks are there: check the whole against its digest, sync, and keep it; `answered(ticket, Sealed)`."""

    ticket: Ticket
    digest: bytes


class Sealed(NamedTuple):
    """How sealing went: `is_true` is False when the whole is not what its digest says."""

    is_true: bool
    fault: str = ""
    """Of the disk."""


class DropBlob(NamedTuple):
    """Forget a blob, whole or in parts."""

    digest: bytes


class Broadcast(NamedTuple):
    """Push a vertex frame to everyone; one that agreement waits for goes where bulk cannot hold it up."""

    payload: bytes
    is_vote: bool = False


class Send(NamedTuple):
    """Send a frame to one member."""

    to: int
    channel: Channel
    payload: bytes


class Announce(NamedTuple):
    """Replace this node's retained hint on a channel (frontier digest or roster)."""

    channel: Channel
    payload: bytes


class Recorded(NamedTuple):
    """Own events are durable: people's topics may show them."""

    key: VertexKey
    events: tuple[Event, ...]


class Decided(NamedTuple):
    """A value is final, and its certificate durable."""

    question: Question
    value: bytes
    ballot: int | None
    """That decided; None where a checkpoint vouches for the value, which says nothing of it."""
    recovered: bool = False
    """Since a lost committee was replaced: what that one had certified may have been otherwise."""
    is_sealed: bool = False
    """A checkpoint that is final here vouches for it, too."""


class FinalsSealed(NamedTuple):
    """A checkpoint has sealed these, and our log says so. They were told as final, by this process or one before."""

    finals: tuple[Decided, ...]


class Hush(NamedTuple):
    """An author has said more than is taken unasked: until then its vertices need not come in, repair brings them."""

    author: int
    until_mono_ms: float


class Report(NamedTuple):
    """One line for the operator's log: an event name and its fields. The shell bounds the rate."""

    level: str
    event: str
    fields: tuple[tuple[str, object], ...]


BlobEffect = OpenBlob | ReadBlob | StoreBlob | SealBlob | DropBlob
Effect = (
    Persist
    | Load
    | Trim
    | Elide
    | NoteVotes
    | BlobEffect
    | Fetch
    | Sign
    | Verify
    | Infer
    | Archive
    | Broadcast
    | Send
    | Announce
    | Recorded
    | Decided
    | FinalsSealed
    | Hush
    | Report
)
