"""Every bound in one place. Each has a counter and a test of what happens when it is reached."""

# One vertex
HEADER_BYTES_MAX = 4096
SIGNATURE_BYTES_MAX = 4627  # ML-DSA-87, FIPS 204 table 2
EVENT_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 48 * 1024
BATCH_EVENTS_MAX = 64
BATCH_BYTES = 32 * 1024
FRAME_BYTES_MAX = 64 * 1024
PARENTS_MAX = 31
PARENTS_DEVICE_MAX = 2
ITEMS_MAX = 64
EVENT_VALUES_MAX = 64
VALUE_BYTES_MAX = 1024  # of a register, as its proposal carries it; larger things are named by their digest
REGISTER_KEY_BYTES_MAX = 64
BALLOT_MAX = 255
CLAIMS_MAX = 4  # of one member on one line, the newest: what it said that it holds
CLAIMS_ON_MEMBERS_MAX = 16  # the same on the line of another member: whoever names it as a parent says so as well
VOTES_PER_VERTEX_MAX = 24  # beside the parents that a member names, they fit a header
TEXT_BYTES_MAX = 64
NAME_BYTES_MAX = 32
INDEX_MAX = 2**32 - 1  # epochs, members, incarnations
COUNTER_MAX = 2**53 - 1  # sequence numbers, times, tallies: exact in JSON, SQLite and a double

# A site
MEMBERS_MAX = 4096
COMMITTEE_MAX = 31  # members who vote; a header has room for so many parents
COMMITTEES_MAX = 16  # of one roster, each for another scope
COMMITTEES_ENDED_MAX = 256  # of one roster, those of before, in all scopes: their certificates can still be judged
RECOVERY_KEYS_MAX = 16  # that may recover a lost committee together, k of them
RECOVERY_FILE_BYTES_MAX = 16 * 1024  # what such keys sign, and one signature
RECOVERY_LISTS_MAX = 8  # of such keys, one after the other, each signed by the one before
BRANCHES_PER_AUTHOR_MAX = 4  # lines of one author that a frontier says, the newest
LINES_PER_AUTHOR_MAX = 64  # lines of one author that a node holds: each log that it lost has begun one
ROSTER_BYTES_MAX = 4 * 1024 * 1024 - 4096  # signed; what a broker passes on: some 2,000 members of ML-DSA-65

# What peers can make grow
PENDING_PER_AUTHOR_MAX = 256
PENDING_BYTES_MAX = 4 * 1024 * 1024
TICKETS_MAX = 1024
LIVE_VERTICES_PER_S = 512  # valid ones of one author, unasked; what is more comes by repair, many to a signature
LIVE_VERTICES_BURST = 512
UNFIT_VERTICES_PER_S = 32  # checked in the name of one member that do not go on from what is held; more come by repair
UNFIT_VERTICES_BURST = 64
STRANGER_FRAMES_PER_S = 256  # on topics of members that our roster lacks
STRANGER_FRAMES_BURST = 512
PROPOSALS_PER_S = 4  # vertices with a proposal, on the topic of a member who does not vote; more come by repair
PROPOSALS_BURST = 16
FRONTIERS_PER_S = 8  # in the name of one member, who says five when much changes
FRONTIERS_BURST = 32
CHECKING_MAX = 32  # signatures being checked while live frames are taken from the inbox, where they have their turn
VOTES_CHECKING_MAX = 32  # the same of frames that came as votes, which never wait for the others
CHECKING_BYTES_MAX = 4 * 1024 * 1024  # vertices whose signature is being checked
OWN_FLIGHT_MAX = 64  # own vertices drafted and not yet durable and signed
EARLY_FRAMES_MAX = 256  # vertices of an epoch newer than our roster
EARLY_BYTES_MAX = 1024 * 1024  # the same, as bytes: nobody has checked their signatures
ARCHIVE_FLIGHT_MAX = 512  # vertices on their way into a gateway's store
ARCHIVE_QUEUE_BYTES = 16 * 1024 * 1024  # the same vertices, as bytes
SIDE_VERTICES_MAX = 4_096  # of one forked member, beside the line of it that is held
EVIDENCE_MAX = 64  # authors of whose forks the proof is kept
INBOX_FRAMES_MAX = 4096  # vertices in the inbox
INBOX_BYTES_MAX = 8 * 1024 * 1024
INBOX_VOTES_MAX = 1024  # vertices of who votes, and with proposals, in the inbox, before the others
INBOX_VOTE_BYTES_MAX = 4 * 1024 * 1024  # the same, as bytes
INBOX_HINTS_MAX = 1024  # frontiers, requests and rosters in the inbox
INBOX_HINT_BYTES_MAX = 8 * 1024 * 1024  # the same, as bytes: the largest roster takes half
INBOX_BACKLOG_BYTES_MAX = 4 * 1024 * 1024  # answers of repair in the inbox, behind live frames
OUTBOX_BYTES_MAX = 4 * 1024 * 1024
PEERS_MAX = MEMBERS_MAX
CANDIDATE_BROKERS_MAX = 16
FRONTIER_BYTES_MAX = 60 * 1024
FRONTIER_PART_BYTES = 1024  # of a frontier that is said because something changed; all that fits is said more rarely

# Brokers and links
LINKS_MAX = 2  # brokers a node keeps a connection to, and a site hosts
TWINS_MAX = 512  # digests of messages whose second copy may still come by the other link
HINT_BYTES_MAX = 1024  # what a hosted broker is told of in a retained message
HINT_ADDRESSES_MAX = 8
BROKER_PACKET_BYTES_MAX = 4 * 1024 * 1024  # a hosted broker cuts above it: the largest roster still passes
BROKER_QUEUE_PACKETS_MAX = 512  # per client that reads too slowly; what is dropped is repaired
BROKER_MEMORY_BYTES_MAX = 256 * 1024 * 1024
BROKER_CLIENTS_MAX = 2048
BROKER_LOG_LINES_MAX = 64
LINK_EVENTS_MAX = 256
WATCHES_MAX = 512  # topic filters of sources and of people's commands
TEXTS_RETAINED_MAX = 4096  # people's retained topics, said again to every new broker
TEXTS_WAITING_MAX = 256  # people's other messages while no broker is there

# Agreement
OPEN_SETS_MAX = 256  # conflict sets that somebody has named and nobody has decided
OPEN_SETS_PER_AUTHOR_MAX = 8  # of these, named first by one author
OWN_OPEN_SETS_MAX = 4  # of these, by us: others may not know yet that as many before them are answered
CLOSED_SETS_MAX = 1024  # of which late votes are told from votes on what nobody asked
PROPOSALS_PER_AUTHOR_MAX = 8  # values of one author in one conflict set
REGISTERS_MAX = 1024  # keys that have a final value
CHECKPOINT_IDS_MAX = 2 * REGISTERS_MAX  # of versions that were final here, the newest: checkpoints may name them
CHECKPOINTS_NAMED_MAX = 64  # versions with which is compared what others' vertices name
CERTIFICATE_BYTES_MAX = 256 * 1024
LEASE_MS_MIN = 5_000  # of which the last two seconds are for stopping
LEASE_MS_MAX = 24 * 3_600_000
VOTE_CHAIN_MAX = 64  # headers from a vote up to the signature that covers it, in a certificate
FINALS_PARTS_MAX = 16  # into how many the keys of registers are parted, where a node says what it holds
FINALS_KEYS_MAX = 64  # of one part, until there are so many parts
FINALS_FRAME_BYTES_MAX = CERTIFICATE_BYTES_MAX + 1024  # an answer with certificates
FINALS_REQUESTS_PER_S = 4  # answered to one member: 1 MB of certificates a second
FINALS_REQUESTS_BURST = 16
FINALS_ALL_PER_S = 32  # answered to all members together: 8 MB of certificates a second
FINALS_ALL_BURST = 128

# Shared state: of each author the same, so that nobody can take the room of another
STATE_NAME_BYTES_MAX = 64
STATE_VALUE_BYTES_MAX = 256  # a dozen fit a header; larger things are named by their digest
STATE_TAGS_MAX = 16  # adds that one removal takes back
STATE_SLOTS_MAX = 256  # of one author and type: registers, counters, elements, adds, entries
STATE_EARLY_MAX = 4096  # removals of adds that a damaged log has lost and peers still have
STATE_QUEUE_MAX = 256  # own operations that wait for our next vertices
STATE_ROWS_MAX = 1024  # names, or values of one, in an answer of the control socket
STATE_DEPTH_MAX = 1024  # lives of an author through which one of its adds is still its own to take back

STATE_ABOVE_MAX = 65_536  # vertices with operations that are not sealed, by their seq alone
STATE_ABOVE_HELD_MAX = 1024  # of these, headers in memory
STATE_ABOVE_AUTHOR_MAX = 256  # of these, of one author
STATE_CUTS_MAX = 16  # checkpoints whose vertices have not all come
STATE_PART_BYTES_MAX = 60 * 1024  # of the state at a checkpoint, in one answer
STATE_HANDED_BYTES_MAX = 16 * 1024 * 1024  # of all of it
STATE_JUDGED_MAX = 64  # roots that were proposed for one checkpoint, and how they were judged

# Repair
REPAIR_FLIGHT_BYTES = 256 * 1024
REPAIR_RANGES_MAX = 256
GAPS_PER_AUTHOR_MAX = 2 * BRANCHES_PER_AUTHOR_MAX  # lines of one author that others say they have and we lack
REPAIR_REQUESTS_MAX = 4
REPAIR_SERVE_MAX = 16
SERVE_LOADS_MAX = 2  # stretches that are being read from the log for answers
SERVE_REQUESTS_PER_S = 16  # begun for one member: 4 MB of answers a second
SERVE_REQUESTS_BURST = 64
SERVE_ALL_PER_S = 32  # begun for all members together: 8 MB of answers a second
SERVE_ALL_BURST = 128
SERVE_VERTICES_MAX = 1024  # named for one answer, however much is asked for
CHUNK_BYTES = 60 * 1024
EVIDENCE_BYTES_MAX = CHUNK_BYTES  # one proof: the headers of both sides, each up to a signature

# Large bodies
BLOB_BYTES_MAX = 64 * 1024 * 1024
BLOB_CHUNK_BYTES = 60 * 1024
BLOB_CHUNKS_MAX = -(-BLOB_BYTES_MAX // BLOB_CHUNK_BYTES)
MANIFEST_BYTES_MAX = BLOB_CHUNKS_MAX * 32 + SIGNATURE_BYTES_MAX + 128  # a hash for each chunk, and the signature
BLOB_REQUEST_CHUNKS_MAX = 16
BLOB_FLIGHT_CHUNKS = 4  # asked for and not yet written, over all blobs
BLOB_FETCHES_MAX = 16  # blobs on their way to this node
BLOB_SERVE_MAX = 8  # members whose request is being answered, one each; others are told to come later
BLOB_SERVE_BYTES_PER_S = 2 * 1024 * 1024
BLOB_INBOX_BYTES_MAX = 1024 * 1024  # frames of blobs in the inbox, behind everything else
BLOBS_MAX = 256  # blobs kept, however small
BLOBS_BYTES_MAX = 256 * 1024 * 1024  # default of node.blobs_max_mb

# The log
SEGMENT_BYTES = 8 * 1024 * 1024
RECORD_BYTES_MAX = FRAME_BYTES_MAX + 1024  # of any type but a roster
LOG_TRIM_SHARE = 0.6  # above it the oldest segments go, as far as gateways have acknowledged all that is in them
LOG_TRIMMED_SHARE = 0.5  # until the log is below this
LOG_ELIDE_SHARE = 0.3  # above it signatures go that others above them make needless, of what others surely have
ELIDED_GAP_BYTES = CHUNK_BYTES // 4  # of headers and bodies between two signatures of a line that stay
ELIDED_GAP_VERTICES = 64  # the same, as vertices: what a certificate shows from a vote up to its signature
ELIDED_PER_SEGMENT_MAX = 4096  # signatures that go from one segment: its table of where records lie is 32 kB
LOG_TABLES_MAX = 8  # such tables in memory, those last used
LOG_SEGMENTS_MIN = 1  # the newest segments, which always stay: the one being written
DEEPEN_LINES_MAX = 4  # of which what was dropped is had again at once
IMPRINTS_BYTES_MAX = 4 * 1024 * 1024  # of what open questions came to, in the file that says what was dropped
IMPRINT_BALLOTS_MAX = 4  # of each member, of whose precommits it has the signatures: the newest
FLOOR_BYTES_MAX = 16 * 1024 * 1024  # the file that says what was dropped: some 60 bytes a line of history
LOG_WARN_SHARE = 0.8
LOG_BYTES_MAX = 512 * 1024 * 1024  # default of log.max_mb
LOG_OPEN_FILES_MAX = 8
ORPHANS_MAX = 65_536  # own vertices above a hole that a start remembers; further ones stay in the log
LOST_MAX = 4096  # vertices whose record was found damaged while running, noted at once; others when they are read again
QUARANTINE_BYTES_MAX = 8 * 1024 * 1024  # copies of damage kept aside
GAPS_MAX = 1024  # damaged ranges listed one by one; further ones are only counted
RESYNC_BYTES_MAX = 32 * SEGMENT_BYTES  # checksummed in one segment while looking for the record behind damage
LOG_PEERS_SHARE = 0.85  # above it peers' vertices are no longer held, so that our own keep their room
LOG_SHED_SHARES = (0.9, 0.95, 1.0)  # where recording of each retention class stops, lowest first

# Sensing
QUEUE_EVENTS_MAX = 4096
QUEUE_READINGS_MAX = 16384
WINDOW_READINGS_MAX = 65536
WINDOW_CHANNELS_MAX = 64
WINDOW_VALUES_MAX = 256 * 1024  # size × channels: 2 MB of doubles per agent
SMOOTH_VALUES_MAX = 4096  # decide.smooth × outputs: what one agent remembers of earlier windows
AGENTS_MAX = 1024
SOURCES_MAX = 256
SOURCE_MESSAGES_MAX = 1024  # MQTT payloads waiting for the source's own thread
SOURCE_MESSAGES_BYTES = 1024 * 1024
SOURCE_BATCH_MAX = 4096  # readings in one payload
LINE_BYTES_MAX = 64 * 1024

# Models
MODEL_FILE_BYTES_MAX = 64 * 1024 * 1024
MODEL_TENSOR_VALUES_MAX = 1024 * 1024  # one input or output, or what is computed between them
MODEL_TENSORS_MAX = 4096  # in all subgraphs of one file; likewise operators
MODEL_OPERATORS_MAX = 4096
MODEL_SUBGRAPHS_MAX = 32
MODEL_CODES_MAX = 1024  # kinds of operators in one file, each with a version
MODEL_OPERATOR_TENSORS_MAX = 256  # inputs or outputs of one operator, or of a subgraph
MODEL_RANK_MAX = 8
MODEL_NUMBERS_MAX = 256 * 1024  # of one file beside the content of tensors: dimensions, indices, scales, zero points
MODEL_TEXT_BYTES_MAX = 16 * 1024  # one name; converters join those of all that they fused
MODEL_MEMORY_BYTES_MAX = 256 * 1024 * 1024  # what loading and one run may add to the process
TRAINING_BYTES_MAX = 256 * 1024 * 1024  # a training set in columns, or a network with all that its training keeps
ENGINE_MESSAGE_BYTES_MAX = 2048  # of what a foreign engine says about its failure

# Detectors of streams
DETECTOR_INPUTS_MAX = 256  # numbers that half-space trees look at
DETECTOR_TREES_MAX = 256
DETECTOR_HEIGHT_MAX = 15  # the paper's
DETECTOR_NODES_MAX = 1024 * 1024  # of all trees: some 16 MB
DETECTOR_VALUES_MAX = 1_000_000  # in a window of theirs, between two checks, before the first
DETECTOR_BUCKETS_MAX = 16  # of each size in ADWIN's window

# People
TRACE_MAX = 1024  # newest vertices whose times are kept, for measuring latency from outside
CONTROL_LINE_BYTES_MAX = 64 * 1024  # one request
CONTROL_REPLY_BYTES_MAX = 4 * 1024 * 1024  # one answer: a line per member of a full site
CONTROL_CLIENTS_MAX = 8
DISCOVERY_BYTES_MAX = 60 * 1024  # one Home Assistant message; agents past it are left out of it
LOG_NAMES_MAX = 256  # event names with a rate of their own; further ones share one

# Clock
HLC_AHEAD_MS_MAX = 5 * 60 * 1000

assert RECORD_BYTES_MAX < ROSTER_BYTES_MAX < SEGMENT_BYTES < 1 << 32
assert ROSTER_BYTES_MAX + 1024 <= BROKER_PACKET_BYTES_MAX
assert ELIDED_GAP_VERTICES <= VOTE_CHAIN_MAX
assert LOG_ELIDE_SHARE < LOG_TRIMMED_SHARE < LOG_TRIM_SHARE < LOG_WARN_SHARE < LOG_PEERS_SHARE < LOG_SHED_SHARES[0]
assert BODY_BYTES_MAX >= BATCH_BYTES + EVENT_BYTES_MAX - 1024
assert HEADER_BYTES_MAX + SIGNATURE_BYTES_MAX + BODY_BYTES_MAX + 16 <= FRAME_BYTES_MAX
assert CHUNK_BYTES + SIGNATURE_BYTES_MAX // 4 < FRAME_BYTES_MAX
assert PARENTS_DEVICE_MAX <= PARENTS_MAX and COMMITTEE_MAX <= PARENTS_MAX
assert COMMITTEE_MAX * 45 + VOTES_PER_VERTEX_MAX * 76 + 256 <= HEADER_BYTES_MAX
assert VALUE_BYTES_MAX + REGISTER_KEY_BYTES_MAX + COMMITTEE_MAX * 45 + 512 <= HEADER_BYTES_MAX
assert 8 * (STATE_VALUE_BYTES_MAX + STATE_NAME_BYTES_MAX + 16) + COMMITTEE_MAX * 45 <= HEADER_BYTES_MAX
assert STATE_TAGS_MAX <= PARENTS_MAX and STATE_TAGS_MAX * (45 + 24) + STATE_NAME_BYTES_MAX + 512 <= HEADER_BYTES_MAX
assert CHUNK_BYTES <= REPAIR_FLIGHT_BYTES
assert EARLY_FRAMES_MAX <= STRANGER_FRAMES_BURST
assert FINALS_PARTS_MAX * FINALS_KEYS_MAX >= REGISTERS_MAX and REGISTERS_MAX * 18 + 128 <= FRAME_BYTES_MAX
assert 2 * REPAIR_REQUESTS_MAX * REPAIR_FLIGHT_BYTES <= INBOX_BACKLOG_BYTES_MAX
assert MEMBERS_MAX * 14 + 512 <= FRONTIER_BYTES_MAX <= FRAME_BYTES_MAX  # a branch for every member, at its longest
assert min(512, FRONTIER_PART_BYTES // 2) > FINALS_PARTS_MAX * 16
assert FRAME_BYTES_MAX + 1024 <= BROKER_PACKET_BYTES_MAX <= OUTBOX_BYTES_MAX
assert MANIFEST_BYTES_MAX <= BLOB_CHUNK_BYTES <= FRAME_BYTES_MAX - 256
assert BLOB_FLIGHT_CHUNKS <= BLOB_REQUEST_CHUNKS_MAX
assert BLOB_BYTES_MAX <= BLOBS_BYTES_MAX
