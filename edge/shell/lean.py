"""What the libraries of a device import and a device never uses: put off until it is used.

paho brings HTTP, e-mail and TLS along, dataclasses the syntax tree of Python, ctypes temporary files, hashlib all of
OpenSSL: a quarter of the memory of a device and of its start. For processes that stay; a command is gone before it
matters. Nothing is taken away: the first use of a module that was put off imports it.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """Stands in for a module until someone asks for a name that is not in `known`. Any thread may be the first."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update(known, _known=tuple(known))

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__"):  # asked by whoever walks through sys.modules, and wants nothing of it
            raise AttributeError(name)
        return getattr(self.load(), name)

    def load(self) -> ModuleType:
        """The module itself; who was given this one before is answered from there."""
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                for known in self.__dict__["_known"]:
                    del self.__dict__[known]
        return import_module(self.__name__)


_lock = threading.Lock()


def _when_called(module: str, name: str) -> Callable[..., Any]:
    """A function that is asked for on import, and seldom called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        found = sys.modules[module]
        return getattr(found.load() if isinstance(found, Later) else found, name)(*args, **kwargs)

    return call


def _find_library(name: str) -> Any:
    """ctypes would run ldconfig or a compiler to find libc. It is in every process, which is what CDLL(None) opens."""
    return None if name == "c" else _when_called("ctypes.util", "find_library")(name)


NOTHING: Mapping[str, object] = {}
PUT_OFF: Mapping[str, Mapping[str, object]] = {
    "ctypes.util": {"find_library": _find_library},
    "inspect": NOTHING,
    "linecache": NOTHING,
    "platform": {"system": lambda: os.uname().sysname},
    "shutil": NOTHING,
    # `except ()` catches nothing and nothing is an instance of it: right, as long as nobody has begun with TLS.
    "ssl": dict.fromkeys(
        ("SSLCertVerificationError", "SSLSocket", "SSLSyscallError", "SSLWantReadError", "SSLWantWriteError"), ()
    ),
    "traceback": {"extract_stack": _when_called("traceback", "extract_stack")},
    "urllib.parse": {"quote_from_bytes": _when_called("urllib.parse", "quote_from_bytes")},
    "urllib.request": NOTHING,
    "uuid": NOTHING,
}
"""Modules, each with what is asked of it although it is not used."""


def put_off(modules: Mapping[str, Mapping[str, object]] = PUT_OFF) -> None:
    """From now on an import of these loads them with their first use; those that are loaded already stay."""
    for name, known in modules.items():
        if name in sys.modules:
            continue
        package, _, leaf = name.rpartition(".")
        later = Later(name, known)
        if package:
            setattr(import_module(package), leaf, later)
        sys.modules[name] = later


def hash_without_openssl() -> None:
    """Let hashlib use the hashes of Python itself: 4 MB less, and SHA-256 at 0.4 GB/s instead of 2.

    Nothing happens when hashlib is loaded already, or when this Python was built without hashes of its own.
    """
    if "hashlib" in sys.modules or not any(map(find_spec, ("_sha256", "_sha2"))):
        return
    sys.modules["_hashlib"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        import_module("hashlib")
        import_module("hmac")
    finally:
        del sys.modules["_hashlib"]
