"""Seed files: 32 raw bytes, the whole secret of a node or of a site's authority.

A file is 0600 (or narrower) in a directory 0700 (or narrower), both owned by the user who runs the process; root may
use another user's. Neither may be a symbolic link. What is wider is refused, never mended silently: someone else may
have read it. Everything is checked on the open file, so that nothing can be swapped in between.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from edge.errors import ConfigError, PermissionsError

SEED_BYTES = 32


def load_seed(path: Path) -> bytes:
    """The 32 bytes of a seed file; PermissionsError or ConfigError says what is wrong and how to mend it."""
    directory = _open_directory(path)
    try:
        _check_owner_and_mode(os.fstat(directory), path.parent, 0o700)
        try:
            file = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
        except FileNotFoundError:
            raise ConfigError(f"{path}: no key file; `synedge init` makes one") from None
        except OSError as error:
            raise _open_error(path, error, "key file") from None
        try:
            return _read(file, path)
        finally:
            os.close(file)
    finally:
        os.close(directory)


def create_seed(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> bytes:
    """Make a new seed file, durable before it is used; ConfigError if there is one already, which stays as it is."""
    _make_directory(path.parent)
    directory = _open_directory(path)
    try:
        _check_owner_and_mode(os.fstat(directory), path.parent, 0o700)
        seed = random_bytes(SEED_BYTES)
        assert len(seed) == SEED_BYTES
        _write_new(directory, path, seed)
        os.fsync(directory)
    finally:
        os.close(directory)
    assert load_seed(path) == seed
    return seed


def load_or_create_seed(path: Path) -> tuple[bytes, bool]:
    """The seed, and whether it was made just now."""
    if os.path.lexists(path):
        return load_seed(path), False
    return create_seed(path), True


def _read(file: int, path: Path) -> bytes:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: not a regular file; a key file has {SEED_BYTES} raw bytes")
    _check_owner_and_mode(found, path, 0o600)
    seed = os.read(file, SEED_BYTES + 1)
    if len(seed) != SEED_BYTES or found.st_size != SEED_BYTES:
        raise ConfigError(
            f"{path}: a key file has {SEED_BYTES} raw bytes, this one {found.st_size}; "
            "put a backup in its place, or move it away and make a new key (a new member for the fleet)"
        )
    return seed


def _write_new(directory: int, path: Path, seed: bytes) -> None:
    """Under another name first: a power cut never leaves half a key where a whole one is looked for."""
    draft = f".{path.name}.{os.getpid()}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        os.fchmod(file, 0o600)  # whatever the umask took away
        written = os.write(file, seed)
        assert written == len(seed)
        os.fsync(file)
        os.link(draft, path.name, src_dir_fd=directory, dst_dir_fd=directory)  # like O_EXCL: never over another
    except FileExistsError:
        raise ConfigError(f"{path}: there is a key already; it is never overwritten") from None
    finally:
        os.close(file)
        os.unlink(draft, dir_fd=directory)


def _make_directory(directory: Path) -> None:
    """Make it 0700; directories above it that are missing too. One that is there stays as it is."""
    directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return
    directory.chmod(0o700)
    parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _open_directory(path: Path) -> int:
    try:
        return os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no key file; `synedge init` makes one") from None
    except OSError as error:
        raise _open_error(path.parent, error, "key directory") from None


def _open_error(path: Path, error: OSError, what: str) -> PermissionsError | ConfigError:
    if path.is_symlink():
        return PermissionsError(f"{path}: the {what} is a symbolic link, which is refused; put the {what} itself there")
    if isinstance(error, PermissionError):
        return PermissionsError(f"{path}: may not be opened by user {os.geteuid()}; run as the owner of the {what}")
    return ConfigError(f"{path}: {error.strerror}")


def _check_owner_and_mode(found: os.stat_result, path: Path, widest: int) -> None:
    user = os.geteuid()
    if user not in (found.st_uid, 0):
        raise PermissionsError(
            f"{path}: owned by user {found.st_uid}, but this process is user {user}; chown {user} {path}"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~widest:
        raise PermissionsError(
            f"{path}: mode {mode:04o} is too wide, needed is {widest:04o} or narrower; chmod {widest:04o} {path} "
            "(and make a new key if others may have read it)"
        )
