"""The configuration: what is right loads with its origins; what is wrong is refused with place and what is allowed."""

import os
import re
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from edge.config import Config, broker_url, find, load
from edge.config.lines import key_lines, line_of
from edge.config.show import effective
from edge.errors import ConfigError, PermissionsError
from edge.sense.options import agent_options

ROOT = Path(__file__).parents[2]
README_EXAMPLE = """\
[node]
name = "pump-7"
[[source]]
name = "accel"
kind = "mqtt"
topic = "sensors/pump7/accel"
fields = ["x", "y", "z"]
[[agent]]
name = "bearing"
source = "accel"
window = { size = 128, step = 64 }
model = "bearing.tflite"
decide = { kind = "argmax", threshold = 0.8, hold = 3, labels = ["ok", "worn", "failing"] }
"""
Write = Callable[[str], Path]
KEYS_OF_KIND = {
    "file": 'path = "r.csv"',
    "mqtt": 'topic = "t"',
    "sysfs": 'path = "a"',
    "command": 'argv = ["cat"]',
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    (tmp_path / "bearing.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3")

    def write_file(body: str) -> Path:
        file = tmp_path / "synedge.toml"
        file.write_text(body)
        return file

    return write_file


def read(file: Path, environ: Mapping[str, str] | None = None) -> Config:
    return load(file, environ=environ or {})


def refusal(file: Path, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(file, environ)
    assert caught.value.code == 78
    return str(caught.value)


def with_node(more: str) -> str:
    return f'[node]\nname = "pump-7"\n{more}'


def test_the_example_of_the_readme_loads_as_it_is(write: Write, tmp_path: Path) -> None:
    config = read(write(README_EXAMPLE))
    assert config.node.name == "pump-7" and config.node.role == "device" and config.node.keep == "auto"
    (source,), (agent,) = config.sources, config.agents
    assert source.kind == "mqtt" and source.options["topic"] == "sensors/pump7/accel"
    assert source.options["fields"] == ["x", "y", "z"]
    assert agent.source == "accel" and agent.model == tmp_path / "bearing.tflite"
    options = agent_options(agent.options, ["x", "y", "z"])
    assert (options.size, options.step, options.has_model) == (128, 64, True)


def test_defaults_stand_beside_the_file(write: Write, tmp_path: Path) -> None:
    config = read(write(with_node("")))
    assert config.node.data_dir == tmp_path / "data"
    assert config.node.key_file == tmp_path / "data/keys/node.seed"
    assert config.node.control_socket == tmp_path / "run/synedge.sock"
    assert config.site.authority == tmp_path / "authority.pub" and config.site.roster == tmp_path / "roster.cose"
    assert (config.log.commit_window_ms, config.log.max_mb) == (1000, 512)
    assert config.mqtt.urls == () and config.broker.listen == "127.0.0.1"


def test_every_value_knows_where_it_came_from(write: Write) -> None:
    body = with_node('[log]\n# wear\nmax_mb = 64\n[[source]]\nname = "s"\nkind = "mqtt"\ntopic = "t"\n')
    config = read(write(body), {"SYNEDGE_LOG__COMMIT_WINDOW_MS": "5000"})
    assert config.log.commit_window_ms == 5000 and config.log.max_mb == 64
    assert config.origins["log.max_mb"] == "synedge.toml:5"
    assert config.origins["log.commit_window_ms"] == "env SYNEDGE_LOG__COMMIT_WINDOW_MS"
    assert config.origins["mqtt.urls"] == "default"
    assert config.origins["source.0.topic"] == "synedge.toml:9"


def shown(config: Config) -> dict[str, tuple[object, str]]:
    return {row.key: (row.value, row.source) for row in effective(config).rows}


def test_show_has_every_key_in_force_of_sources_and_agents(write: Write) -> None:
    found = shown(read(write(README_EXAMPLE)))
    assert found["source.accel.topic"] == ("sensors/pump7/accel", "synedge.toml:6")
    assert found["source.accel.time_unit"] == ("ms", "default")
    assert found["source.accel.interval_ms"] == (
        0.0,
        "default",
    )
    assert found["source.accel.time_field"] == (None, "default")
    assert found["agent.bearing.fields"] == (["x", "y", "z"], "default")
    assert found["agent.bearing.window.step"] == (64, "synedge.toml:11")
    assert found["agent.bearing.decide.hold"] == (3, "synedge.toml:13")
    assert found["agent.bearing.decide.report"] == ("every", "default")
    assert found["agent.bearing.retention"] == ("routine", "default")
    assert "agent.bearing.decide.deadband" not in found, "a key of another kind"
    assert not effective(read(write(README_EXAMPLE))).notes


def test_show_says_what_stands_where_nothing_was_written(write: Write, tmp_path: Path) -> None:
    """An agent without window and decide has both; a table that is partly given comes from two places."""
    body = """\
[[source]]
name = "t"
kind = "sysfs"
paths = ["a/temp", "b/temp"]
[[agent]]
name = "plain"
source = "t"
decide = { kind = "value", index = 1 }
[[agent]]
name = "tables"
source = "t"
[agent.window]
size = 8
"""
    found = shown(read(write(with_node(body))))
    assert found["source.t.fields"] == (["a/temp", "b/temp"], "default")
    assert found["source.t.scale"] == (1.0, "default") and found["source.t.interval_ms"] == (1000, "default")
    assert found["agent.plain.window.size"] == (1, "default") and found["agent.plain.decide.every"] == (1, "default")
    assert found["agent.tables.window.size"] == (8, "synedge.toml:15")
    assert found["agent.tables.window.step"] == (8, "default") and found["agent.tables.decide.kind"][0] == "value"


@pytest.mark.parametrize("kind", KEYS_OF_KIND)
def test_show_names_every_key_a_kind_takes(kind: str, write: Write, tmp_path: Path) -> None:
    """What the refusal of an unknown key says is allowed is what is shown."""
    (tmp_path / "r.csv").write_text("t_ms,x\n0,1\n")
    body = with_node(f'[[source]]\nname = "s"\nkind = "{kind}"\n{KEYS_OF_KIND[kind]}\n')
    found = shown(read(write(body)))
    allowed = refusal(write(body + "xyzzy = 1\n")).partition("allowed in this table: ")[2].partition(" (")[0]
    keys = {key.removeprefix("source.s.") for key in found if key.startswith("source.s.")}
    assert keys == {"name", "kind", *allowed.split(", ")}


def test_show_of_a_broken_file_shows_what_was_given_and_says_what_is_wrong(write: Write) -> None:
    body = """\
[[source]]
name = "gone"
kind = "file"
path = "gone.csv"
[[agent]]
name = "a"
source = "gone"
scaling = "gone.json"
decide = { kind = "argmax", hold = 0 }
"""
    answer = effective(load(write(with_node(body)), environ={}, check_files=False))
    found = {row.key: row.value for row in answer.rows}
    assert found["source.gone.speed"] == 1.0 and found["source.gone.fields"] is None
    assert found["agent.a.fields"] is None and found["agent.a.decide.hold"] == 0
    assert str(found["agent.a.scaling"]).endswith("/gone.json")
    assert len(answer.notes) == 2 and "gone.csv" in answer.notes[0] and "decide.hold = 0" in answer.notes[1]


def test_environment_wins_over_the_file(write: Write) -> None:
    file = write(with_node('label = "file"\n[mqtt]\ndiscover = true\n'))
    environ = {"SYNEDGE_NODE__LABEL": "env", "SYNEDGE_MQTT__DISCOVER": "false", "SYNEDGE_NODE__DATA_DIR": "/srv/d"}
    config = read(file, environ)
    assert config.node.label == "env" and config.mqtt.discover is False and config.node.data_dir == Path("/srv/d")


def test_directories_of_systemd_are_defaults_not_overrides(write: Write) -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/synedge:/var/lib/other", "RUNTIME_DIRECTORY": "/run/synedge"}
    config = read(write(with_node("")), environ)
    assert (config.node.data_dir, config.node.runtime_dir) == (Path("/var/lib/synedge"), Path("/run/synedge"))
    assert config.origins["node.data_dir"] == "env STATE_DIRECTORY"
    config = read(write(with_node('data_dir = "mine"\n')), environ)
    assert config.node.data_dir.name == "mine"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SYNEDGE_LOG__MAX_MBB": "1"}, "unknown SYNEDGE_LOG__MAX_MBB (did you mean 'SYNEDGE_LOG__MAX_MB'?)"),
        (
            {"SYNEDGE_LOG__MAX_MB": "lots"},
            'SYNEDGE_LOG__MAX_MB = "lots" is not allowed; allowed: a whole number from 16',
        ),
        ({"SYNEDGE_MQTT__DISCOVER": "maybe"}, "allowed: true or false"),
        ({"SYNEDGE_MQTT__URLS": "mqtt://a"}, "unknown SYNEDGE_MQTT__URLS"),
    ],
)
def test_wrong_environment_is_refused_by_its_name(write: Write, environ: dict[str, str], said: str) -> None:
    assert said in refusal(write(with_node("")), environ)


def test_unrelated_environment_is_left_alone(write: Write) -> None:
    read(write(with_node("")), {"SYNEDGE_DEBUG": "1", "PATH": "/bin", "OTHER__KEY": "x"})


def test_unknown_key_names_file_table_key_and_what_is_allowed(write: Write) -> None:
    file = write(with_node('[mqtt]\nur1s = ["mqtt://broker"]\n'))
    said = refusal(file)
    assert said.startswith(f"{file}: [mqtt] unknown key 'ur1s' (did you mean 'urls'?); allowed: urls, username, ")
    assert said.endswith("(line 4)")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[nod]\n", "unknown table 'nod' (did you mean 'node'?); allowed: [node] [site]"),
        ("", "[node] lacks the key 'name'"),
        ("[node\n", "not valid TOML"),
        ('name = "x"\n', "unknown key 'name'"),
        ('[node]\nname = "Pump 7"\n', "[node] name = \"Pump 7\" is not allowed; allowed: 1 to 32 of a-z, 0-9 and '-'"),
        ('[node]\nname = "pump\\n"\n', "[node] name"),
        ("[node]\nname = 7\n", "[node] name = 7 is not allowed"),
        (with_node('role = "validator"\n'), '[node] role = "validator" is not allowed; allowed: device, gateway'),
        (with_node('role = "gateway"\nkeep = "own"\n'), "because a gateway keeps everything"),
        (with_node('[mqtt]\ndiscover = "yes"\n'), '[mqtt] discover = "yes" is not allowed; allowed: true or false'),
        (with_node('[mqtt]\nurls = ["http://x"]\n'), "a list of mqtt://HOST[:PORT]"),
        (with_node('[mqtt]\nurls = ["mqtt://u:secret@x"]\n'), "password_file"),
        (with_node('[mqtt]\nurls = "mqtt://x"\n'), "[mqtt] urls"),
        (with_node('[mqtt]\npassword_file = "p"\n'), "[mqtt] password_file needs username"),
        (with_node('[mqtt]\ncertificate_file = "p"\n'), "[mqtt] certificate_file needs key_file"),
        (
            with_node("[broker]\nport = 65536\n"),
            "[broker] port = 65536 is not allowed; allowed: a whole number from 0 to",
        ),
        (with_node("[broker]\nport = true\n"), "[broker] port = true is not allowed"),
        (with_node('[broker]\nlisten = "everywhere !"\n'), "[broker] listen"),
        (with_node("[log]\nmax_mb = 1.5\n"), "[log] max_mb = 1.5 is not allowed"),
        (with_node("[log]\ncommit_window_ms = 0\n"), "[log] commit_window_ms = 0 is not allowed"),
        (with_node('[source]\nname = "s"\n'), "[source] must be written [[source]]"),
        (with_node('[[source]]\nname = "s"\nkind = "i2c"\n'), 'kind = "i2c" is not allowed; allowed: file, mqtt'),
        (with_node('[[source]]\nname = "s"\nkind = "mqtt"\n'), "[[source]] 's'"),
        (with_node('[[source]]\nname = "s"\nkind = "mqtt"\ntopic = "x"\nfield = "x"\n'), "(did you mean 'fields'?)"),
        (with_node('[[source]]\nkind = "mqtt"\ntopic = "x"\n'), "[[source]] number 1 lacks the key 'name'"),
        (with_node('[[source]]\nname = "s"\nkind = "file"\npath = "gone.csv"\n'), "No such file or directory"),
        (README_EXAMPLE + "[[agent]]\n", "[[agent]] number 2 lacks the key 'name'"),
        (README_EXAMPLE.replace('source = "accel"', 'source = "acel"'), "(did you mean 'accel'?)"),
        (README_EXAMPLE.replace("bearing.tflite", "gone.tflite"), "gone.tflite"),
        (README_EXAMPLE.replace("size = 128", "size = 0"), "size"),
        (README_EXAMPLE.replace("size = 128", "size = 65537"), "size"),
        (README_EXAMPLE.replace("step = 64", "stop = 64"), "stop"),
        (README_EXAMPLE.replace("{ size = 128, step = 64 }", "128"), "[[agent]] 'bearing' window = 128"),
        (README_EXAMPLE.replace("threshold = 0.8", "threshhold = 0.8"), "(did you mean 'threshold'?) (line 13)"),
        (README_EXAMPLE.replace('kind = "argmax"', 'kind = "argmin"'), "argmin"),
        (README_EXAMPLE + 'features = ["rmss"]\n', "rmss"),
        (README_EXAMPLE + README_EXAMPLE.partition("[[source]]\n")[2].join(["[[source]]\n", ""]), "is taken by"),
    ],
)
def test_wrong_input_is_refused_with_the_reason(write: Write, body: str, said: str) -> None:
    file = write(body)
    message = refusal(file)
    assert message.startswith(f"{file}: ") and said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("s.json", '{"mean": [1, 2, 3], "std": [1, 1, 2], "made_by": "train.py"}'),
        ("s.toml", "mean = [1, 2, 3]\nstd = [1, 1, 2]\n"),
    ],
)
def test_scaling_is_read_from_its_file(write: Write, tmp_path: Path, name: str, body: str) -> None:
    (tmp_path / name).write_text(body)
    config = read(write(README_EXAMPLE + f'scaling = "{name}"\n'))
    assert agent_options(config.agents[0].options, ["x", "y", "z"]).std == (1.0, 1.0, 2.0)


@pytest.mark.parametrize("body", ["", "[", "[1]", '{"mean": [1, 2, 3]}', '{"mean": [1], "std": [1]}', None])
def test_wrong_scaling_is_refused_with_its_file(write: Write, tmp_path: Path, body: str | None) -> None:
    if body is not None:
        (tmp_path / "s.json").write_text(body)
    said = refusal(write(README_EXAMPLE + 'scaling = "s.json"\n'))
    assert "[[agent]] 'bearing' scaling" in said and said.endswith("(line 14)")


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    assert "`synedge init` makes one" in refusal(tmp_path / "synedge.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "synedge.toml").write_bytes(b"\xff\xfe[node]")
    assert "not UTF-8" in refusal(tmp_path / "synedge.toml")


def test_a_file_that_may_not_be_read_is_a_matter_of_permissions() -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "synedge.toml"
        file.write_text(with_node(""))
        file.chmod(0)
        Path(directory).chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)  # root reads everything
        try:
            with pytest.raises(PermissionsError):
                read(file)
        finally:
            if was_root:
                os.seteuid(0)


def test_commands_that_open_no_model_do_not_need_it(write: Write, tmp_path: Path) -> None:
    file = write(README_EXAMPLE)
    (tmp_path / "bearing.tflite").unlink()
    load(file, environ={}, check_files=False)
    assert "bearing.tflite" in refusal(file)


def test_relative_paths_start_at_the_file_not_at_the_shell(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(README_EXAMPLE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load(Path("..") / file.name, environ={})
    assert config.agents[0].model == tmp_path / "bearing.tflite"


def test_the_nearest_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("x.toml") == Path("x.toml")
    monkeypatch.setattr("edge.config.SYSTEM_FILE", tmp_path / "none")
    with pytest.raises(ConfigError, match="--config names one"):
        find(None)
    (tmp_path / "synedge.toml").touch()
    assert find(None) == Path("synedge.toml")


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ("mqtt://broker", ("broker", 1883, False)),
        ("mqtts://broker.example:8884/", ("broker.example", 8884, True)),
        ("mqtts://[fd00::1]", ("fd00::1", 8883, True)),
    ],
)
def test_broker_urls(written: str, parsed: tuple[str, int, bool]) -> None:
    assert broker_url(written) == parsed


def test_lines_are_found_across_multi_line_values() -> None:
    body = '[node]\nlabel = """\n[mqtt]\nurls = 1\n"""\n[mqtt]\nurls = [\n  "a[",\n]\nport = 1\n'
    body += "[[agent]]\n[agent.window]\nsize = 1\n"
    lines = key_lines(body)
    assert lines["mqtt"] == 6 and lines["mqtt.urls"] == 7 and lines["mqtt.port"] == 10
    assert lines["agent.0.window.size"] == 13
    assert line_of(lines, "mqtt.urls.0.deep") == 7 and line_of(lines, "log.max_mb") is None


def test_the_examples_of_the_handbook_load(tmp_path: Path) -> None:
    text = (ROOT / "docs/OPERATING.md").read_text()
    blocks = re.findall(r"^ *```toml\n(.*?)^ *```", text, re.M | re.S)
    assert len(blocks) >= 2
    for block in blocks:
        head = "" if "[node]" in block else '[node]\nname = "x"\n'
        (tmp_path / "synedge.toml").write_text(head + textwrap.dedent(block))
        load(tmp_path / "synedge.toml", environ={}, check_files=False)


def test_the_example_file_shows_every_key_with_its_default(tmp_path: Path) -> None:
    """As it stands it loads; with the `#key` lines that have a default taken in, nothing changes but the origins."""
    example = (ROOT / "deploy/synedge.example.toml").read_text()
    lines = [line for line in example.splitlines(keepends=True) if "no default" not in line]
    shown = re.sub(r"^#(?=\w+ = )", "", "".join(lines), flags=re.M)
    values = []
    for number, body in enumerate((example, shown)):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "synedge.toml").write_text(body)
        config = load(directory / "synedge.toml", environ={}, check_files=False)
        tables = (config.node, config.site, config.mqtt, config.broker, config.log)
        values.append([str(table).replace(str(directory), "") for table in tables])
    assert values[0] == values[1]
    keys = {item.name for table in tables for item in fields(table)}
    assert keys <= {match[1] for match in re.finditer(r"^#?(\w+) = ", example, re.M)}
