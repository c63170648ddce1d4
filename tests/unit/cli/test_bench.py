"""`synedge bench`: each benchmark has its own options and help, learnt when it is chosen."""

import re
import subprocess
import sys

import pytest

from edge.lab.bench import BENCHES
from tests.unit.cli.conftest import Synedge

OWN_OPTION = {"mesh": "--rate", "admit": "--held", "codec": "--repeat", "log": "--group"}


def test_the_general_help_names_every_benchmark_and_no_option_of_one(synedge: Synedge) -> None:
    ended = synedge("bench", "--help")
    assert ended.code == 0
    assert all(re.search(rf"^    {name}\s", ended.out, re.M) for name in BENCHES)
    assert not [option for option in OWN_OPTION.values() if option in ended.out]


@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_has_its_own_help(synedge: Synedge, name: str) -> None:
    ended = synedge("bench", name, "--help")
    assert ended.code == 0 and ended.out.startswith(f"usage: synedge bench {name} ")
    assert BENCHES[name][1:] in ended.out and "--json" in ended.out and f"\n  synedge bench {name} " in ended.out
    if name in OWN_OPTION:
        assert [other for other, option in OWN_OPTION.items() if option in ended.out] == [name]


def test_the_general_help_imports_no_benchmark() -> None:
    program = "import sys; from edge.cli.main import main; main(['bench', '--help']); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = ended.stdout.splitlines()[-1].split()
    assert "edge.lab.bench" in loaded and not [name for name in loaded if name.startswith("edge.lab.benches")]


@pytest.mark.parametrize("argv", [("codec", "--json", "--repeat", "3"), ("--json", "codec", "--repeat", "3")])
def test_a_benchmark_takes_its_options_and_json_on_either_side(synedge: Synedge, argv: tuple[str, ...]) -> None:
    answer = synedge("bench", *argv).json
    assert list(answer) == ["machine", "codec"]
    assert all(row["us"] > 0 for row in answer["codec"]["rows"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("mehs",), "(did you mean 'mesh'?)"),
        (("codec", "--repaet", "3"), "unknown option '--repaet' (did you mean '--repeat'?)"),
        (("codec", "--group", "3"), "unknown option '--group'"),
        (("codec", "--repeat", "0"), "allowed: a whole number from 1"),
        (("mesh", "--rate", "nan"), "allowed: a number from 0.1"),
    ],
)
def test_what_a_benchmark_does_not_know_is_refused(synedge: Synedge, argv: tuple[str, ...], said: str) -> None:
    ended = synedge("bench", *argv)
    assert (ended.code, ended.out) == (64, "") and said in ended.err
