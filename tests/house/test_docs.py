"""Documents that stay true: links resolve, commands are real, every bound is used."""

import ast
import re
import shlex
import tomllib
from importlib import import_module
from itertools import dropwhile
from pathlib import Path

import pytest

from edge.cli.main import COMMANDS, Parser, main
from tests.house.source import ROOT, floors, modules
from tests.house.test_tidy import relative, sources

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
PEOPLE = ["README.md", "docs/OPERATING.md", "docs/BENCHMARKS.md"]
PROGRAMS = """
apt-get cat cd chmod chown cp curl docker echo git grep install journalctl ls mkdir mosquitto_passwd mosquitto_pub
mosquitto_sub mv rm scp ssh sudo systemctl systemd-analyze tail tee timeout
"""


def documents() -> list[Path]:
    return sources(".md")


def slug(heading: str) -> str:
    """The anchor GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = FENCE.sub("", path.read_text())
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}


def test_links_resolve():
    broken = []
    for path in documents():
        for match in LINK.finditer(FENCE.sub("", path.read_text())):
            target = match[1] or match[2]
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = path if not name else (path.parent / name).resolve()
            if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
                broken.append(f"{relative(path)}: {target}")
    assert not broken


def named_files(path: Path) -> list[str]:
    """Source files that a text names between backticks; `a/{b,c}.py` names two."""
    found = []
    for span in re.findall(r"`([\w./{},-]+\.(?:py|pyx|toml|md|sh|tflite))`", FENCE.sub("", path.read_text())):
        choice = re.search(r"\{(.*)\}", span)
        found += [span.replace(choice[0], word) for word in choice[1].split(",")] if choice else [span]
    return found


@pytest.mark.parametrize("path", [ROOT / "docs/ARCHITECTURE.md", *sorted((ROOT / "docs/decisions").glob("*.md"))])
def test_files_that_a_document_names_are_there(path):
    """From the root, from edge/, or by name alone."""
    there = [relative(file) for file in sources(".py", ".pyx", ".toml", ".md", ".sh", ".tflite")]
    there += [name.removeprefix("edge/") for name in there] + [Path(name).name for name in there]
    missing = [name for name in named_files(path) if name not in (*there, "synedge.toml")]
    assert not missing


def test_architecture_has_every_room():
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    standing = {module.name for module in modules()}
    rooms = [room for floor in floors()["floor"] for room in floor["rooms"] if room in standing]
    names = [room.partition(".")[2] for room in rooms if room not in ("edge", "edge.__main__")]
    assert names
    assert not [name for name in names if not re.search(rf"`(edge/)?{name}(/|\.py)`", text)]


def commands() -> list[tuple[str, str]]:
    """(document, one command line) of every shell block that a person would copy; output and comments left out."""
    found = []
    for name in PEOPLE:
        path = ROOT / name
        if not path.exists():
            continue
        for language, block in FENCE.findall(path.read_text()):
            if language not in {"sh", "shell", "bash", "console"}:
                continue
            lines = block.replace("\\\n", " ").splitlines()
            if language == "console":
                lines = [line[2:] for line in lines if line[:2] in {"$ ", "# "}]
            found += [(name, line.strip()) for line in lines if line.strip() and not line.strip().startswith("#")]
    return found


def words_of(line: str) -> list[list[str]]:
    """The simple commands of a line: split at pipes and separators, without assignments, sudo and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    simple: list[list[str]] = [[]]
    for word in lexer:
        if word and set(word) <= set("|&;()"):
            simple.append([])
        else:
            simple[-1].append(word)
    prefix = re.compile(r"\w+=|sudo\Z|-")
    stripped = [list(dropwhile(prefix.match, words)) for words in simple]
    return [words for words in stripped if words]


def parser_of(name: str) -> Parser:
    parser = Parser(f"synedge {name}", COMMANDS[name])
    import_module(f"edge.cli.{name}").arguments(parser)
    return parser


def whole_commands() -> list[str]:
    """Every command with every sub-command: `config show`."""
    found = []
    for name in COMMANDS:
        choices = [action.choices for action in parser_of(name)._actions if action.dest == "what"]
        found += [f"{name} {child}" for child in choices[0]] if choices else [name]
    return found


def options_of(name: str) -> str:
    """The whole help of a command with its sub-commands, for looking up options."""
    from edge.lab.bench import BENCHES, benchmark

    parser = parser_of(name)
    text, queue = "", [parser]
    for bench in BENCHES if name == "bench" else ():  # they learn their options when they are chosen
        queue.append(Parser(bench))
        benchmark(bench).arguments(queue[-1])
    while queue:
        one = queue.pop()
        text += one.format_help()
        for action in one._actions:
            if isinstance(action.choices, dict):
                queue += action.choices.values()
    return text


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize(("document", "line"), commands())
def test_a_command_in_a_document_exists(document, line):
    for words in words_of(line):
        program = Path(words[0]).name
        if program == "make":
            assert not [word for word in words[1:] if "=" not in word and word not in targets()], line
        elif program == "synedge":
            arguments = words[1:]
            if arguments and not arguments[0].startswith("-"):
                assert arguments[0] in COMMANDS, line
                known = options_of(arguments[0])
                unknown = [word for word in arguments[1:] if word.startswith("--") and word.split("=")[0] not in known]
                assert not unknown, f"{line}: {unknown}"
        elif words[0].startswith(("deploy/", "./deploy/", ".venv/bin/")):
            assert program in {"python", "pytest"} or (ROOT / words[0]).exists(), line
        else:
            assert program in PROGRAMS.split(), f"{document}: {line}: nobody checks {program!r}"


def test_readme_names_the_two_commands():
    lines = [line for name, line in commands() if name == "README.md"]
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("make test") for line in lines)


@pytest.mark.parametrize("name", ["README.md", "docs/OPERATING.md"])
def test_examples_of_configuration_load(name, tmp_path):
    """A block may be what is to be added to a file."""
    from edge.config import load

    examples = [block for language, block in FENCE.findall((ROOT / name).read_text()) if language == "toml"]
    assert examples
    for number, block in enumerate(examples):
        whole = block if "node" in tomllib.loads(block) else f'[node]\nname = "a"\n{block}'
        place = tmp_path / f"{number}.toml"
        place.write_text(whole)
        assert load(place, environ={}, check_files=False).node.name


def test_what_operating_says_of_a_fleet_works_as_it_is_typed(tmp_path, monkeypatch, capsys):
    """Blocks without sudo, another machine or a running agent, in order, in one empty directory."""
    blocks = [block for language, block in FENCE.findall((ROOT / "docs/OPERATING.md").read_text()) if language == "sh"]
    lines = [line for block in blocks for line in block.splitlines() if re.match(r"synedge (fleet|init) ", line)]
    assert len(lines) >= 5
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for line in lines:
        words = [word.replace("~", str(tmp_path), 1) for word in shlex.split(line, comments=True)[1:]]
        assert main(words) == 0, f"{line}\n{capsys.readouterr().err}"
    assert "valve-3" in capsys.readouterr().out
    assert main(["config", "check", "--config", "cards/gate/synedge.toml"]) == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_and_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"usage: synedge {name}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS, *whole_commands()])
def test_a_help_ends_with_examples_that_can_be_typed(command, capsys):
    """Sub-commands have their own; a command that only has sub-commands shows those."""
    assert main([*command.split(), "--help"]) == 0
    examples = re.findall(r"^  synedge (.+)$", capsys.readouterr().out, re.M)
    whole = {"agents", "blobs", "certificate", "committee", "config", "dag", "fleet", "lease", "models", "recovery"}
    assert examples or command in whole
    for example in examples:
        assert example.startswith(command)
        name, *words = shlex.split(example)
        if "--help" not in words:
            parser_of(name).parse(words)  # raises UsageError


def test_every_bound_is_used():
    """A limit that nobody reads bounds nothing."""
    limits = ast.parse((ROOT / "edge/limits.py").read_bytes())
    names = {target.id for node in limits.body if isinstance(node, ast.Assign) for target in node.targets}
    used = {
        name
        for module in modules()
        if module.name != "edge.limits"
        for node in ast.walk(module.tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module == "edge.limits"
            else [node.attr]
            if isinstance(node, ast.Attribute)
            else []
        )
    }
    compiled = "\n".join(path.read_text() for path in sources(".pyx", ".pxd", ".c", ".h"))
    idle = sorted(name for name in names - used if not re.search(rf"\b{name}\b", compiled))
    assert not idle, f"in edge/limits.py and nowhere else: {idle}"


def test_glossary_words_are_unique():
    path = ROOT / "docs/GLOSSARY.md"
    terms = re.findall(r"^(?:\| ?)?\*\*([^*]+)\*\*", path.read_text(), re.M)
    assert terms
    assert len(terms) == len(set(terms))


def test_decisions_say_date_and_status():
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert records
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text()
        assert re.search(r"^Date: \d{4}-\d\d-\d\d\. Status: \w+", text, re.M), path.name
        for part in ("## Context", "## Choice", "## Consequence"):
            assert part in text, f"{path.name} has no {part}"
