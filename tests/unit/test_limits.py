"""Bounds that no one machine owns."""

from edge.config.tables import LogConfig, NodeConfig
from edge.dag.journal import JournalOptions
from edge.ids import VertexKey
from edge.limits import BLOBS_BYTES_MAX, LOG_BYTES_MAX, SIGNATURE_BYTES_MAX, TRACE_MAX
from edge.shell.loop import Loop
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.refusal import Refusal
from edge.wire.suite import SUITES
from tests.builders import World, event


def test_the_log_is_as_large_by_default_as_its_bound_says():
    assert LogConfig().max_mb * 1024 * 1024 == LOG_BYTES_MAX == JournalOptions().max_bytes


def test_blobs_have_as_much_room_by_default_as_their_bound_says():
    assert NodeConfig(name="pump").blobs_max_mb * 1024 * 1024 == BLOBS_BYTES_MAX


def test_a_frame_takes_the_longest_signature_and_no_longer_one():
    assert max(suite.signature_bytes for suite in SUITES.values()) == SIGNATURE_BYTES_MAX
    world = World(["a"])
    machine = world.boot("a")
    machine.submit(event(1), urgent=True)
    frame = decode_vertex(machine.log[1].payload)
    assert isinstance(frame, VertexFrame)
    longest = encode_vertex(frame.header, bytes(SIGNATURE_BYTES_MAX), frame.body)
    assert isinstance(decode_vertex(longest), VertexFrame)
    longer = decode_vertex(encode_vertex(frame.header, bytes(SIGNATURE_BYTES_MAX + 1), frame.body))
    assert isinstance(longer, Refusal) and longer.reason == "signature-size"


def test_times_are_kept_of_the_newest_vertices_only():
    node = World(["a"]).boot("a").node
    loop = Loop(node, 0)
    for seq in range(1, TRACE_MAX + 10):
        node.on_accepted(VertexKey(1, 1, seq))
    assert len(loop.accepted_at) == TRACE_MAX == loop.recorded_at.maxlen
    assert loop.accepted_at[-1][0].seq == TRACE_MAX + 9
    loop.selector.close()
    loop.inbox.close()
