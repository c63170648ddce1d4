"""The door: what is unknown is refused with what was probably meant, and every ending has its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main as door
from edge.errors import ConfigError
from tests.unit.cli.conftest import Synedge

HEAVY = (
    "asyncio",
    "ssl",
    "socket",
    "json",
    "logging",
    "threading",
    "Crypto",
    "paho",
    "zeroconf",
    "tomllib",
    "subprocess",
)


def test_help_lists_every_command(synedge: Synedge) -> None:
    ended = synedge("--help")
    assert ended.code == 0 and not ended.err
    for name, summary in door.COMMANDS.items():
        assert f"{name}" in ended.out and summary in ended.out


def test_help_imports_nothing_heavy() -> None:
    program = "import sys; from edge.cli.main import main; code = main(['--help']); print(*sys.modules); sys.exit(code)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = ended.stdout.splitlines()[-1].split()
    assert "edge.cli.main" in loaded and not [name for name in HEAVY if name in loaded]
    ours = [name for name in loaded if name.startswith("edge.") and name not in ("edge.cli", "edge.cli.main")]
    assert ours == ["edge.errors"]


@pytest.mark.parametrize("command", door.COMMANDS)
def test_every_command_has_help_and_json(synedge: Synedge, command: str) -> None:
    ended = synedge(command, "--help")
    assert ended.code == 0 and f"usage: synedge {command}" in ended.out
    if "--json" not in ended.out:
        children = ended.out.partition("{")[2].partition("}")[0] or ended.out
        assert any(word in children for word in ("check", "list", "heads", "train", "plan", "verify", "acquire")), (
            ended.out
        )


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["statsu"], "unknown command 'statsu' (did you mean 'status'?)"),
        (["xyzzy"], "unknown command 'xyzzy'; `synedge --help`"),
        (["--config", "status"], "options come after the command"),
        (["version", "--jsn"], "unknown option '--jsn' (did you mean '--json'?)"),
        (["version", "now"], "unknown argument 'now'"),
        (["config", "chek"], "(did you mean 'check'?)"),
        (["config", "check", "--confg", "x"], "unknown option '--confg' (did you mean '--config'?)"),
        (["config"], "required: WHAT"),
        (["init", "--role", "gatway"], "(did you mean 'gateway'?)"),
        (["fleet", "add", "x"], "one of the arguments --public-key --out is required"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_was_meant(synedge: Synedge, argv: list[str], said: str) -> None:
    ended = synedge(*argv)
    assert (ended.code, ended.out) == (64, "")
    assert ended.err.startswith("synedge: ") and said in ended.err and ended.err.count("\n") == 1


def test_no_command_is_a_usage_error(synedge: Synedge) -> None:
    ended = synedge()
    assert ended.code == 64 and "commands:" in ended.out


def test_options_are_never_guessed_from_a_beginning(synedge: Synedge) -> None:
    assert synedge("version", "--js").code == 64


def test_errors_are_json_when_json_was_asked_for(synedge: Synedge, tmp_path: Path) -> None:
    ended = synedge("config", "check", "--json", "-c", tmp_path / "none.toml")
    assert (ended.code, ended.out) == (78, "")
    assert ended.error["kind"] == "ConfigError" and ended.error["code"] == 78
    assert str(tmp_path / "none.toml") in ended.error["message"]
    assert synedge("stats", "--json").error["code"] == 64


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 78),
        (BrokenPipeError(), 141),
        (KeyboardInterrupt(), 130),
        (SystemExit(0), 0),
        (PermissionError(13, "Permission denied", "/x"), 77),
        (OSError(28, "No space left on device", "/x"), 74),
        (ZeroDivisionError("a bug"), 70),
    ],
)
def test_every_ending_has_its_code(
    synedge: Synedge, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(door, "_forget_stdout", lambda: None)
    monkeypatch.setattr("edge.cli.version.run", fail)
    ended = synedge("version")
    assert ended.code == code and not ended.out
    assert ("Traceback" in ended.err) == (code == 70)
    if code in (74, 77):
        assert ended.err.startswith("synedge: /x: ")


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    """As in `synedge config show | head -1`, with more output than a pipe holds."""
    toml = '[node]\nname = "x"\n' + "".join(
        f'[[source]]\nname = "s{n}"\nkind = "mqtt"\ntopic = "{"t" * 300}"\n' for n in range(250)
    )
    (tmp_path / "synedge.toml").write_text(toml)
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "config", "show", "-c", str(tmp_path / "synedge.toml"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None and command.stderr is not None
        assert command.stdout.readline() == b"{\n"
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(timeout=30) == 141


def test_version_tells_what_it_stands_on(synedge: Synedge) -> None:
    found = synedge("version", "--json").json
    assert found["libraries"]["paho-mqtt"] and found["synedge"][0].isdigit()
    assert synedge("--version").out.startswith(f"synedge {found['synedge']}")


def test_the_module_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "edge", "version", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(ended.stdout)["python"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nobodys_trouble(closed: str, tmp_path: Path) -> None:
    """What is opened later must not be taken for one of them either: `init` writes files."""
    line = f"exec {sys.executable} -m edge init {tmp_path}/pump --name pump {closed}"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "pump/synedge.toml").read_text().startswith("# Synedge.")


def test_a_locale_without_a_letter_shows_its_code_and_json_stays_json(tmp_path: Path) -> None:
    (tmp_path / "synedge.toml").write_text('[node]\nname = "x"\nlabel = "21 °C"\n')
    environment = {"PATH": "/usr/bin", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    def shown(*more: str) -> str:
        command = [sys.executable, "-m", "edge", "config", "show", "-c", str(tmp_path / "synedge.toml"), *more]
        ended = subprocess.run(command, capture_output=True, check=False, timeout=30, env=environment)
        assert ended.returncode == 0 and not ended.stderr
        return ended.stdout.decode("ascii")

    assert '"21 \\xb0C"' in shown()
    assert {row["key"]: row["value"] for row in json.loads(shown("--json"))["values"]}["node.label"] == "21 °C"
