"""The error tree of the process: each class is one sysexits code. A peer's fault is never an exception."""


class SynedgeError(Exception):
    """Base of every error that ends a command with a message for the person who typed it."""

    code = 70


class UsageError(SynedgeError):
    """The command line asks for something that does not exist."""

    code = 64


class DataError(SynedgeError):
    """Input data (model, recording, exported file) is not what it should be."""

    code = 65


class UnavailableError(SynedgeError):
    """A service that is needed does not answer: agent, broker, gateway."""

    code = 69


class StorageError(SynedgeError):
    """A disk refused; final for the file it names."""

    code = 74


class DiskFullError(StorageError):
    """No room for one more record; what is written stays and later writes may succeed."""


class TryLaterError(SynedgeError):
    """Nothing is wrong, but not now."""

    code = 75


class PermissionsError(SynedgeError):
    """A file or socket has the wrong owner or mode."""

    code = 77


class ConfigError(SynedgeError):
    """The configuration is wrong; the message names file, key, value and what is allowed."""

    code = 78
