"""Every bound is reached by a test. What is not yet stands in a list that may only shrink."""

import ast
import re

from tests.house.source import ROOT
from tests.house.test_tidy import relative, sources

UNTESTED: set[str] = {
    "ARCHIVE_FLIGHT_MAX",
    "BATCH_BYTES",
    "BRANCHES_PER_AUTHOR_MAX",
    "CHUNK_BYTES",
    "CONTROL_CLIENTS_MAX",
    "CONTROL_LINE_BYTES_MAX",
    "CONTROL_REPLY_BYTES_MAX",
    "EARLY_FRAMES_MAX",
    "EVIDENCE_MAX",
    "INBOX_BYTES_MAX",
    "INBOX_FRAMES_MAX",
    "LOG_BYTES_MAX",
    "LOG_PEERS_SHARE",
    "LOG_SHED_SHARES",
    "LOG_WARN_SHARE",
    "OWN_FLIGHT_MAX",
    "PARENTS_DEVICE_MAX",
    "PEERS_MAX",
    "PENDING_BYTES_MAX",
    "PENDING_PER_AUTHOR_MAX",
    "QUEUE_EVENTS_MAX",
    "QUEUE_READINGS_MAX",
    "REPAIR_FLIGHT_BYTES",
    "REPAIR_REQUESTS_MAX",
    "REPAIR_SERVE_MAX",
    "SERVE_VERTICES_MAX",
    "SIGNATURE_BYTES_MAX",
    "TRACE_MAX",
}


def bounds() -> set[str]:
    tree = ast.parse((ROOT / "edge/limits.py").read_bytes())
    return {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}


def test_every_bound_has_a_test_that_names_it():
    written = "\n".join(path.read_text() for path in sources(".py") if re.match("tests/(?!house/)", relative(path)))
    named = {name for name in bounds() if re.search(rf"\b{name}\b", written)}
    missing = bounds() - named
    assert missing - UNTESTED == set(), "a bound without a test of what happens when it is reached"
    assert UNTESTED - missing == set(), "tested by now: take it off the list"
