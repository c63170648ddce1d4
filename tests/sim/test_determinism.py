"""A seed is a world, whatever the hash seed of the process and whatever ran before it."""

import json
import subprocess
import sys
from contextlib import nullcontext

from edge.node import intake
from edge.sim import cluster
from edge.sim.faults import plan
from edge.sim.profiles import profile_named
from edge.sim.run import Case, run_case
from edge.wire.vertex import decode_header
from tests.house.source import ROOT


def replayed(hash_seed: str, *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.main", "sim", *words, "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env={"PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_trace_does_not_depend_on_the_hash_seed():
    one, other = (replayed(hash_seed, "--seeds", "3:5", "--minutes", "0.4") for hash_seed in ("1", "4242"))
    assert one["trace_hash"] == other["trace_hash"]
    assert one["steps"] == other["steps"] > 1000


def test_nor_do_the_figures_of_one_site():
    words = ["--nodes", "34", "--committee", "4", "--asleep", "30%", "--loss", "2%", "--minutes", "1"]
    one, other = (replayed(hash_seed, *words) for hash_seed in ("1", "4242"))
    assert one["figures"].pop("seconds") > 0 < other["figures"].pop("seconds")
    assert one == other and one["figures"]["delivered_bytes_per_decision"] > 0


def test_sharing_what_is_decoded_changes_nothing(monkeypatch):
    profile = profile_named("mixed", minutes=0.5)
    together = run_case(Case(5, profile))
    monkeypatch.setattr(cluster, "shared_decoding", nullcontext)
    alone = run_case(Case(5, profile))
    assert alone.trace_hash == together.trace_hash
    assert intake.decode_header is decode_header, "and afterwards everyone decodes alone again"


def test_another_seed_is_another_world():
    profile = profile_named("mixed", minutes=0.2)
    hashes = {run_case(Case(seed, profile)).trace_hash for seed in (1, 2, 1, 2)}
    assert len(hashes) == 2


def test_leaving_a_fault_out_leaves_the_others_as_they_were():
    profile = profile_named("mixed")
    case = Case(11, profile)
    faults = plan(11, profile)
    assert len(faults) > 8
    rest = Case(11, profile, only=tuple(fault.number for fault in faults[1:]))
    assert rest.faults() == case.faults()[1:]
