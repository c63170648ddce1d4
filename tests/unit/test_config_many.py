"""One [[agent]] table that stands for many: which agents it makes, and what is refused with its place."""

import re
from pathlib import Path

import pytest

from edge import models
from edge.cli.main import main
from edge.config import Config, load
from edge.config.show import effective
from edge.errors import ConfigError
from edge.lab.benches.nn_nets import WIDTHS, write_many
from edge.limits import AGENTS_MAX
from edge.nn.export import export_float32
from edge.nn.mlp import Layer
from edge.sense.senses import Senses
from tests.house.source import ROOT

HEAD = '[node]\nname = "pump-7"\n\n[[source]]\nname = "feed"\nkind = "command"\nargv = ["cat"]\nfields = ["x"]\n'
TABLE = '\n[[agent]]\nname = "cell"\nsource = "feed"\nmodels = "cells/*.tflite"\n'
MODELS_LINE = 13


def write(folder: Path, more: str = TABLE, files: tuple[str, ...] = ("b.tflite", "a.tflite", "notes.txt")) -> Path:
    (folder / "cells").mkdir(exist_ok=True)
    for file in files:
        (folder / "cells" / file).write_bytes(b"\x1c\x00\x00\x00TFL3")
    path = folder / "synedge.toml"
    path.write_text(HEAD + more)
    return path


def read(path: Path, *, check_files: bool = True) -> Config:
    return load(path, environ={}, check_files=check_files)


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value)


def test_an_agent_for_each_file_in_the_order_of_their_names(tmp_path: Path):
    path = write(tmp_path, TABLE + 'retention = "critical"\nunit = "mm"\n')
    config = read(path)
    assert [(agent.name, agent.model) for agent in config.agents] == [
        ("cell-a", tmp_path / "cells" / "a.tflite"),
        ("cell-b", tmp_path / "cells" / "b.tflite"),
    ]
    made = models.options(config, {"feed": ["x"]})
    assert [(one.name, one.has_model, one.retention, one.unit) for one in made] == [
        ("cell-a", True, 2, "mm"),
        ("cell-b", True, 2, "mm"),
    ]
    assert made[0].decide is made[1].decide, "what is common is there once"


def test_show_has_the_table_once(tmp_path: Path):
    rows = {row.key: row for row in effective(read(write(tmp_path))).rows}
    agents = [key for key in rows if key.startswith("agent.")]
    assert {key.split(".")[1] for key in agents} == {"cell"}
    assert rows["agent.cell.models"].value == str(tmp_path / "cells" / "*.tflite")
    assert rows["agent.cell.models"].source == f"synedge.toml:{MODELS_LINE}"
    assert rows["agent.cell.name"].value == "cell"


def test_files_that_nobody_looks_at_may_be_missing(tmp_path: Path):
    path = write(tmp_path, TABLE.replace("cells/", "nowhere/"))
    assert read(path, check_files=False).agents == ()


@pytest.mark.parametrize(
    ("more", "files", "said"),
    [
        (TABLE, (), "matches no file"),
        (TABLE.replace("cells/", "nowhere/"), (), "nowhere: No such file or directory"),
        (TABLE, ("Cell_7.tflite",), "'Cell_7.tflite' would be agent 'cell-Cell_7'; allowed: 1 to 32 of a-z"),
        (TABLE, (f"{'a' * 28}.tflite",), f"'{'a' * 28}.tflite' would be agent 'cell-{'a' * 28}'; allowed: 1 to 32"),
        (TABLE + 'model = "b.tflite"\n', ("a.tflite",), "has model and models; allowed: one of them"),
        (TABLE.replace('"cells/*.tflite"', '"*/a.tflite"'), (), "allowed: a pattern in the last part of the path"),
        (TABLE.replace('"cells/*.tflite"', "7"), (), "allowed: a path with a pattern for the names of files"),
    ],
)
def test_what_a_pattern_may_not_be(tmp_path: Path, more: str, files: tuple[str, ...], said: str):
    message = refusal(write(tmp_path, more, files))
    assert "[[agent]] 'cell'" in message and said in message and f"(line {MODELS_LINE})" in message


def test_more_than_a_node_may_have(tmp_path: Path):
    names = tuple(f"{number}.tflite" for number in range(AGENTS_MAX + 1))
    said = refusal(write(tmp_path, files=names))
    assert f"matches more than {AGENTS_MAX} files; allowed: at most {AGENTS_MAX} agents (line {MODELS_LINE})" in said
    (tmp_path / "cells" / "0.tflite").unlink()
    assert len(read(tmp_path / "synedge.toml").agents) == AGENTS_MAX
    one_more = '\n[[agent]]\nname = "level"\nsource = "feed"\n'
    assert f"{AGENTS_MAX + 1} agents; allowed: at most {AGENTS_MAX}" in refusal(write(tmp_path, TABLE + one_more, ()))


def test_a_name_that_two_tables_make(tmp_path: Path):
    second = '\n[[agent]]\nname = "cell-a"\nsource = "feed"\n'
    said = refusal(write(tmp_path, TABLE + second))
    assert "name = 'cell-a' is taken by synedge.toml:11 (line 16)" in said
    twins = refusal(write(tmp_path, TABLE.replace("*.tflite", "*"), ("a.tflite", "a.bin")))
    assert "name = 'cell-a' is taken by" in twins


def test_a_wrong_key_is_said_once_with_the_name_of_the_table(tmp_path: Path):
    said = refusal(write(tmp_path, TABLE + "windw = 3\n"))
    assert "[[agent]] 'cell' windw = 3: there is no such key" in said and "models" in said and "(line 14)" in said


def test_check_and_doctor_say_what_is_common_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path, files=())
    for number in range(30):
        (tmp_path / "cells" / f"{number:02}.tflite").write_bytes(export_float32([Layer([float(number)], [0.0])]))
    assert main(["config", "check", "--config", str(path)]) == 0
    assert "1 sources, 30 agents" in capsys.readouterr().out
    main(["doctor", "--config", str(path)])
    out = capsys.readouterr().out
    assert out.count("model of cell") == 1
    assert "30 files from 00.tflite to 29.tflite [1, 1] → [1, 1] by native" in " ".join(out.split())
    main(["agents", "list", "--config", str(path), "--json"])
    assert capsys.readouterr().out.count('"agent": "cell-') == 30
    recording = ("--input", str(tmp_path / "recording.csv"))
    assert main(["agents", "test", "--config", str(path), "--agent", "cell-99", *recording]) == 64
    assert "did you mean 'cell-" in (said := capsys.readouterr().err) and "cell-15 and 14 more" in said


def test_models_of_a_thousand_agents_share_what_is_common(tmp_path: Path):
    """Loading keeps weights and little else for each: no plan, arena or options of its own."""
    (tmp_path / "cells").mkdir()
    write_many(tmp_path / "cells", "s", 20)
    fields = [f"f{number}" for number in range(WIDTHS["s"][0])]
    path = tmp_path / "synedge.toml"
    path.write_text(HEAD.replace('["x"]', str(fields).replace("'", '"')) + TABLE + 'decide = { kind = "argmax" }\n')
    config = read(path)
    senses = Senses(models.options(config, {"feed": fields}), ["feed"])
    told: list[tuple[object, ...]] = []
    loaded = models.load(config, senses, lambda level, event, facts: told.append((event, *facts)))
    assert len({id(model.crowd) for model in loaded.values()}) == 1
    assert told[0] == ("model", ("agent", "cell"), ("engine", "native"), ("models", 20))


def test_the_handbook_makes_an_agent_for_each_cell(tmp_path: Path):
    blocks = re.findall(r"^```toml\n(.*?)^```", (ROOT / "docs/OPERATING.md").read_text(), re.M | re.S)
    (example,) = [block for block in blocks if "models = " in block]
    path = write(tmp_path, files=("a17.tflite", "b2.tflite"))
    path.write_text('[node]\nname = "pump-7"\n' + example)
    config = read(path)
    assert [agent.name for agent in config.agents] == ["cell-a17", "cell-b2"]
    assert [one.tensor_length for one in models.options(config, {"battery": ["volt", "ampere", "celsius"]})] == [24, 24]
