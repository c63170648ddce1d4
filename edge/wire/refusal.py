"""The closed list of reasons why bytes from outside are not taken. A refusal is a value, never an exception."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """Answer of every decoder and of admission to a peer's fault; `reason` is one of `REASONS`."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


CBOR_REASONS = (
    "cbor-truncated",  # an item, or the length it claims, runs past the end
    "cbor-trailing",  # bytes after the one item
    "cbor-not-minimal",  # an integer, length or float in a longer form than needed
    "cbor-indefinite",  # an indefinite length or a stray break
    "cbor-type",  # a tag, a simple value or a map where the profile has none
    "cbor-depth",  # nested deeper than the structure allows
    "cbor-text",  # a text string that is not UTF-8
    "cbor-not-finite",  # NaN or an infinity
    "cbor-map",  # map keys not integers, not ascending, or repeated
)
SIZE_REASONS = (
    "frame-too-large",
    "header-too-large",
    "body-too-large",
    "event-too-large",
    "signature-size",
    "frontier-too-large",
    "roster-too-large",
)
HEADER_REASONS = (
    "header-shape",  # not twelve fields of the types of docs/WIRE.md
    "format-unknown",
    "suite-unknown",
    "seq-prev",  # seq 1 with a prev, or a later seq without one
    "too-many-parents",
    "parent-order",  # not strictly ascending by author
    "parent-self",
    "body-count",  # count or length outside the limits
    "body-class",  # a reserved bit or an unused retention
    "too-many-items",
    "item-shape",
    "item-reserved",  # a type this version knows the name of and nothing more
    "item-unknown",
    "tally-sum",  # readings ≠ recorded + quiet + shed + open
)
BODY_REASONS = (
    "body-shape",  # not an array of byte strings of at least a salt and an event
    "body-length",  # length differs from the header's
    "body-root",  # Merkle root differs from the header's
    "event-shape",
    "event-name",  # agent outside [a-z0-9][a-z0-9-]{0,31}
    "event-text",  # kind, unit or a text value: too long, empty, or with control characters
    "event-values",  # none, or too many
    "event-confidence",
    "event-flags",
)
FRAME_REASONS = (
    "frame-shape",
    "frontier-shape",
    "frontier-order",
    "too-many-branches",
    "request-shape",
    "request-range",  # through below after
    "reply-shape",
    "too-many-ranges",
    "finals-shape",  # a request for certificates, or an answer with some, of another form
    "finals-many",  # more keys or certificates in one than there may be registers
)
BLOB_REASONS = (
    "blob-shape",
    "too-many-chunks",
    "chunk-too-large",
    "manifest-shape",
    "manifest-chunks",  # not as many hashes as its length has chunks
    "manifest-too-large",
)
ROSTER_REASONS = (
    "roster-shape",
    "roster-format",  # of an older synedge
    "roster-order",  # members, suites or committees not strictly ascending
    "roster-committee",  # numbers that cannot agree, or who is no validator votes
    "recovery-shape",  # no statement for recovery keys, or no signature of one
    "roster-recovery",  # not signed by k of the m keys that the list of before has; or keys that cannot be so many
    "roster-duplicate",  # one name or key for two members
    "roster-name",
    "roster-role",
    "roster-key",  # a public key that is not as long as its suite says
    "roster-stale",  # not newer than the one held
    "too-many-members",
    "too-many-committees",
    "cose-shape",  # not an untagged COSE_Sign1 with exactly {1: alg} protected and nothing unprotected
)
ADMISSION_REASONS = (
    "site-other",
    "epoch-unknown",
    "author-unknown",
    "author-other",  # said on the topic of another member than the one it names
    "suite-not-allowed",
    "signature-bad",
    "signature-missing",
    "prev-mismatch",
    "seq-gap",
    "parent-mismatch",
    "fork",
    "evidence-too-large",
    "evidence-shape",  # not two chains that begin under one name with two ids
    "quarantined",
    "evicted",  # above or beside the cut of its author's eviction
    "key-in-use",  # signed with our key in our own incarnation, and not by us
    "body-missing",
    "range-broken",
    "ahead-of-roster",
    "pending-full",
    "roster-shrinks",  # a newer roster lacks a member of the one held, or gives it another key
    "committee-unsaid",  # a newer roster has another committee than the one held, and does not say since when
    "recovery-unsaid",  # a newer roster has other recovery keys than the one held, in the place of them
    "manifest-other",  # of another blob than the one asked for
    "chunk-digest",  # not the bytes that the manifest names
    "reply-unasked",  # an answer to a request that is not open
    "sealed-other",  # what is said to be below a checkpoint is not what its root is over
    "state-other",  # what is said to be the state at a checkpoint has another root
    "state-shape",
)
AGREEMENT_REASONS = (
    "proposal-epoch",  # for a committee that is not, or is no longer, the scope's
    "proposal-lease",  # of a lease by another than its holder, or for no allowed time
    "proposal-unauthorised",  # by who may not propose for the key
    "proposal-committee",  # of a change to what no roster lists, or by somebody: members ask for it themselves
    "proposal-checkpoint",  # by somebody: members ask for it; or of heads that its own vertex does not name
    "proposal-eviction",  # not [author, why, cut] of the member that its key names, or not the first of it
    "proposals-many",  # of one author in one conflict set
    "side-room",  # more of one forked member beside the line that is held than is followed
    "sets-many",  # open conflict sets, in all or named first by one author
    "vote-early",  # of an epoch that its author has not entered: its past has not what ends the one before
    "vote-stopped",  # on another question, above its author's precommit for the change of the committee
    "vote-order",  # not above its author's last vote on the set
    "vote-unproposed",  # no proposal of the value in its past
    "vote-against-lock",  # a prevote for another value than its author is locked on, without a quorum that frees it
    "vote-unjustified",  # a precommit without its quorum of prevotes in its past
    "vote-other",  # a header of a certificate without the vote that it is to show
    "vote-stranger",  # by who has no seat
    "vote-unasked",  # on a question that nobody asked here: of an unknown epoch, or refused
    "value-groundless",  # a checkpoint that names what is not final here, or an eviction without grounds
    "certificate-too-large",
    "certificate-shape",
    "certificate-order",  # not by voter ascending
    "certificate-late",  # of an ended epoch, with no such quorum of prevotes below what ended it
    "certificate-short",  # fewer votes than the quorum
    "certificate-stale",  # of a version that is not newer than the one held
    "scope-unknown",  # nobody decides in it
    "own-line-full",  # too much of ours is on its way to the disk already
)
REASONS = frozenset(
    CBOR_REASONS
    + SIZE_REASONS
    + HEADER_REASONS
    + BODY_REASONS
    + FRAME_REASONS
    + BLOB_REASONS
    + ROSTER_REASONS
    + ADMISSION_REASONS
    + AGREEMENT_REASONS
)
