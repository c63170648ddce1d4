"""The kernels as C: strict warnings and sanitizers, every variant against the scalar one, plans that lie; and the same
on emulated boards where cross compilers and qemu-user are installed."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT

KERNELS = ROOT / "kernels"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off", f"-I{KERNELS / 'include'}"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PLANS = "40000"
NETWORKS = "600"
DETECTORS = "1500"
BOARDS = {
    "aarch64": ("aarch64-linux-gnu-gcc", "qemu-aarch64-static", ("cortex-a53", "cortex-a72", "cortex-a76")),
    "armhf": ("arm-linux-gnueabihf-gcc", "qemu-arm-static", ("cortex-a7", "cortex-a9", "cortex-a15")),
}
BUILT_FOR = {"aarch64": {"scalar", "neon", "neondot"}, "armhf": {"scalar", "neon"}}
LACKING = {"cortex-a53": {"neondot"}, "cortex-a72": {"neondot"}, "cortex-a9": {"neon"}}
"""What a board's CPU does not have: SDOT before the A76, VFPv4 on the A9."""


def compiled(compiler: str, out: Path, *flags: str) -> Path:
    """All of our C as one object, which programs are linked with."""
    sources = [str(path) for path in sorted((KERNELS / "src").rglob("*.c"))]
    done = run(compiler, *STRICT, *flags, "-r", "-o", out, *sources)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def build(compiler: str, program: str, kernels: Path, *flags: str) -> Path:
    out = kernels.with_name(program)
    done = run(compiler, *STRICT, *flags, "-o", out, kernels, KERNELS / "test" / f"{program}.c", "-lm")
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def digests(printed: str) -> dict[str, str]:
    """Of the int8 kernels, by name."""
    return dict(re.findall(r"ok (s8_\w+): 300 of 300 shapes, digest (\w+)", printed))


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return compiled("gcc", tmp_path_factory.mktemp("kernels") / "kernels.o", *SANITIZED)


@pytest.fixture(scope="module")
def agree(kernels):
    return build("gcc", "agree", kernels, *SANITIZED)


@pytest.fixture(scope="module")
def here(agree):
    done = run(agree)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_variant_agrees_with_the_scalar_one(here):
    print(here)
    assert "FAIL" not in here
    by_kernel: dict[str, set[str]] = {}
    for name, digest in digests(here).items():
        by_kernel.setdefault(name.partition("__")[0], set()).add(digest)
    assert set(by_kernel) == {"s8_gemm", "s8_sums", "s8_dwconv"}
    assert all(len(found) == 1 for found in by_kernel.values())


def test_a_variant_of_another_architecture_is_refused_by_name(agree):
    foreign = "avx2" if "ok s8_gemm__neon:" in run(agree).stdout else "neon"
    done = run(agree, foreign)
    assert (done.returncode, done.stdout) == (2, f"{foreign}: not built\n")
    done = run(agree, "sse9")
    assert (done.returncode, done.stdout) == (2, "sse9: unknown\n")


def test_plans_that_lie_are_refused_or_harmless(kernels):
    mutate = build("gcc", "mutate", kernels, *SANITIZED)
    done = run(mutate, PLANS, "11")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a variant for x86-64")
def test_the_vnni_variant_is_right_but_for_its_instruction(kernels):
    done = run(build("gcc", "vnni", kernels, *SANITIZED))
    assert (done.returncode, done.stdout) == (0, "2000 shapes agree\n"), done.stdout + done.stderr[-3000:]


def test_a_population_does_what_an_obvious_one_does(kernels):
    swarm = build("gcc", "swarm", kernels, *SANITIZED)
    done = run(swarm, "20000", "5")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_networks_that_rest_come_back_within_half_a_scale(kernels):
    done = run(build("gcc", "rest", kernels, *SANITIZED), "4000", "3")
    assert (done.returncode, done.stdout) == (0, "4000 networks rested\n"), done.stdout + done.stderr[-3000:]


def test_training_touches_its_own_memory_alone_and_learns_the_same_in_every_variant(kernels):
    done = run(build("gcc", "learn", kernels, *SANITIZED), NETWORKS, "7")
    assert (done.returncode, done.stdout) == (0, f"{NETWORKS} networks trained\n"), done.stdout + done.stderr[-3000:]


@pytest.fixture(scope="module")
def judged(kernels):
    """What the detectors answered to streams at random, as a digest."""
    done = run(build("gcc", "streams", kernels, *SANITIZED), DETECTORS, "7")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done


def test_states_of_detectors_are_taken_back_and_spoilt_ones_are_refused_or_harmless(judged):
    refused, lived = map(int, re.findall(r"\d+", judged.stderr))
    assert refused > lived > 100, "spoilt options alone leave a state that can live"


@pytest.mark.parametrize("architecture", BOARDS)
def test_boards_give_the_same_bits_and_refuse_what_they_lack(architecture, here, judged, tmp_path):
    compiler, emulator, cpus = BOARDS[architecture]
    missing = [tool for tool in (compiler, emulator) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    kernels = compiled(compiler, tmp_path / "kernels.o", "-O2")
    program, learn, streams = (
        build(compiler, name, kernels, "-O2", "-static") for name in ("agree", "learn", "streams")
    )
    wanted = {name.partition("__")[0]: digest for name, digest in digests(here).items()}
    for cpu in cpus:
        done = run(emulator, "-cpu", cpu, program)
        assert done.returncode == 0, f"{cpu}: {done.stdout}{done.stderr}"
        assert run(emulator, "-cpu", cpu, learn, "40", "7").stdout == "40 networks trained\n"
        assert run(emulator, "-cpu", cpu, streams, DETECTORS, "7").stdout == judged.stdout
        found = digests(done.stdout)
        variants = {name.partition("__")[2] for name in found}
        assert variants == BUILT_FOR[architecture] - LACKING.get(cpu, set())
        assert all(wanted[name.partition("__")[0]] == digest for name, digest in found.items())
        for variant in LACKING.get(cpu, ()):
            done = run(emulator, "-cpu", cpu, program, variant)
            assert (done.returncode, done.stdout) == (2, f"{variant}: CPU lacks it\n")
