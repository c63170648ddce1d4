"""`make install` into a staging directory: everything in place, twice the same, and gone again."""

import json
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import edge
from edge.config import AgentConfig, BrokerConfig, LogConfig, MqttConfig, NodeConfig, SiteConfig, load
from tests.house.source import ROOT
from tests.system.conftest import call

UNIT = "usr/local/lib/systemd/system/synedge.service"
OURS = {
    UNIT,
    "usr/local/lib/systemd/system-preset/80-synedge.preset",
    "usr/local/lib/sysusers.d/synedge.conf",
    "usr/local/lib/tmpfiles.d/synedge.conf",
    "opt/synedge/share/synedge/synedge.example.toml",
    "opt/synedge/bin/synedge",
}


@pytest.fixture(scope="module")
def stage(checkout, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("stage")
    call(checkout / "deploy/install.sh", "install", cwd=checkout, DESTDIR=str(place))
    return place


def listing(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir())


def test_everything_is_in_place(stage):
    assert set(listing(stage)) >= OURS


def test_nothing_names_the_staging_directory(stage):
    small = (path for path in stage.rglob("*") if path.is_file() and not path.is_symlink() and path.suffix != ".so")
    naming = [str(path) for path in small if str(stage).encode() in path.read_bytes()]
    assert not naming


def test_the_unit_starts_what_was_installed(stage):
    (start,) = re.findall(r"^ExecStart=(\S+) run --config (\S+)$", (stage / UNIT).read_text(), re.M)
    assert start == ("/opt/synedge/bin/synedge", "/etc/synedge/synedge.toml")
    assert (stage / "opt/synedge/bin/synedge").read_text().splitlines()[0] == "#!/opt/synedge/bin/python"
    answer = call(stage / "opt/synedge/bin/python", stage / "opt/synedge/bin/synedge", "version", "--json", cwd=stage)
    assert edge.__version__ in json.dumps(json.loads(answer))


def test_installing_twice_changes_nothing_and_uninstalling_leaves_the_configuration(checkout, stage):
    before = listing(stage)
    config = stage / "etc/synedge/synedge.toml"
    config.parent.mkdir(parents=True)
    config.write_text("mine")
    call(checkout / "deploy/install.sh", "install", cwd=checkout, DESTDIR=str(stage))
    assert [name for name in listing(stage) if not name.startswith("etc/")] == before
    call(checkout / "deploy/install.sh", "uninstall", cwd=checkout, DESTDIR=str(stage))
    assert listing(stage) == ["etc/synedge/synedge.toml"]
    assert config.read_text() == "mine"


def test_an_interpreter_that_does_not_fit_is_refused(checkout, tmp_path):
    with pytest.raises(AssertionError, match="is not Python"):
        call(checkout / "deploy/install.sh", "install", cwd=checkout, DESTDIR=str(tmp_path), PYTHON="/bin/true")
    assert not listing(tmp_path)


def test_the_example_loads_and_shows_every_key_with_its_default(tmp_path):
    """Uncommented, it means what it meant before, except where it says that there is no default."""
    example = (ROOT / "deploy/synedge.example.toml").read_text()
    shown = re.sub(r"(?m)^#(?=[a-z_]+ = )(?!.*no default)", "", example)
    values = tomllib.loads(shown)
    for table, kind in [
        ("node", NodeConfig),
        ("site", SiteConfig),
        ("mqtt", MqttConfig),
        ("broker", BrokerConfig),
        ("log", LogConfig),
    ]:
        for field in fields(kind):
            assert re.search(rf"(?m)^#?{field.name} = ", example), f"[{table}] {field.name} is not in the example"
            if field.default not in (MISSING, None):
                default = field.default if isinstance(field.default, str | int | tuple) else str(field.default)
                given = values[table][field.name]
                assert (tuple(given) if isinstance(given, list) else given) == default, f"[{table}] {field.name}"
    assert not {"name", "source", "model"} - {field.name for field in fields(AgentConfig)}
    for text in (example, shown):
        place = tmp_path / "synedge.toml"
        place.write_text(text)
        config = load(place, environ={}, check_files=False)
        assert config.node.name == "pump-7"
        assert [agent.name for agent in config.agents] == ["bearing"]
