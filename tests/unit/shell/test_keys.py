"""Key files: made once, durable; what is wider, foreign, linked or of another length is refused with the remedy."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import ConfigError, PermissionsError
from edge.shell.keys import create_seed, load_or_create_seed, load_seed

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "data/keys/node.seed"
    create_seed(path)
    return path


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that other users can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_key_is_narrow_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "data/keys/node.seed"
    before = os.umask(0)
    try:
        seed = create_seed(path)
    finally:
        os.umask(before)
    assert load_seed(path) == seed == path.read_bytes() and len(seed) == 32
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["node.seed"]


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        create_seed(key)
    assert load_or_create_seed(key) == (before, False)
    assert os.listdir(key.parent) == ["node.seed"]


def test_the_bytes_come_from_the_generator_that_was_given(tmp_path: Path) -> None:
    assert create_seed(tmp_path / "keys/a.seed", lambda count: b"\x07" * count) == b"\x07" * 32
    assert load_or_create_seed(tmp_path / "keys/b.seed")[1] is True


def test_file_and_directory_are_synced_before_the_key_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "keys/node.seed"
    create_seed(path)
    assert synced[-2:] == [path.stat().st_ino, path.parent.stat().st_ino]
    assert tmp_path.stat().st_ino in synced


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o660, 0o644, 0o700, 0o4600])
def test_a_wide_file_is_refused_with_the_modes_and_the_command(key: Path, wide: int) -> None:
    key.chmod(wide)
    with pytest.raises(PermissionsError) as caught:
        load_seed(key)
    said = str(caught.value)
    assert f"{key}: mode {wide:04o} is too wide, needed is 0600" in said and f"chmod 0600 {key}" in said
    assert mode(key) == wide, "refused, not mended"


@pytest.mark.parametrize("wide", [0o750, 0o711, 0o755, 0o777])
def test_a_wide_directory_is_refused(key: Path, wide: int) -> None:
    key.parent.chmod(wide)
    for use in (load_seed, create_seed):
        with pytest.raises(PermissionsError, match=f"mode {wide:04o} is too wide, needed is 0700"):
            use(key)


def test_narrower_is_fine(key: Path) -> None:
    key.chmod(0o400)
    assert len(load_seed(key)) == 32


def test_a_linked_key_is_refused(key: Path) -> None:
    real = key.with_name("real")
    key.rename(real)
    key.symlink_to(real)
    with pytest.raises(PermissionsError, match="symbolic link"):
        load_seed(key)


def test_a_linked_directory_is_refused(key: Path) -> None:
    real = key.parent.with_name("elsewhere")
    key.parent.rename(real)
    key.parent.symlink_to(real)
    for use in (load_seed, create_seed):
        with pytest.raises(PermissionsError, match="symbolic link"):
            use(key)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 65536])
def test_a_wrong_length_is_refused(key: Path, content: bytes) -> None:
    key.write_bytes(content)
    with pytest.raises(ConfigError, match=f"32 raw bytes, this one {len(content)}"):
        load_seed(key)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path, key: Path) -> None:
    key.unlink()
    for path in (key, tmp_path / "none/keys/node.seed"):
        with pytest.raises(ConfigError, match="`synedge init` makes one"):
            load_seed(path)


def test_what_is_no_file_is_refused_and_never_waited_for(key: Path) -> None:
    key.unlink()
    os.mkfifo(key, 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_seed(key)


@as_root
def test_root_may_use_the_key_of_another_user(key: Path) -> None:
    os.chown(key, NOBODY, NOBODY)
    os.chown(key.parent, NOBODY, NOBODY)
    assert len(load_seed(key)) == 32


@as_root
def test_another_users_key_is_refused(open_dir: Path) -> None:
    mine, theirs = open_dir / "mine", open_dir / "theirs"
    create_seed(mine / "node.seed")
    create_seed(theirs / "node.seed")
    os.chown(theirs, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionsError, match=r"mine: may not be opened by user 65534"):
            load_seed(mine / "node.seed")
        with pytest.raises(PermissionsError, match=r"node.seed: may not be opened by user 65534"):
            load_seed(theirs / "node.seed")
    finally:
        os.seteuid(0)
