"""Becoming a child that cannot outlive its parent: drop root, ask for the parent-death signal, check, exec.

    python -m edge.shell.child PARENT_PID UID GID PROGRAM [ARGUMENT...]

The order matters. The kernel forgets the signal when a process changes user, so it is asked for after that (which is
why Mosquitto must not change user itself); and a parent that died before that is noticed by its id. UID and GID of -1
stay as they are. The signal follows the *thread* that forked: a parent starts children from a thread that lives as long
as they may (prctl(2), PR_SET_PDEATHSIG).
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PR_SET_NO_NEW_PRIVS = 38
ORPHAN_EXIT = 75


def become_child(parent_pid: int, uid: int, gid: int) -> None:
    """Drop to `uid` and `gid`, then die with the parent; ends the process at once if the parent is gone already."""
    if gid != -1:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
    if uid != -1:
        os.setresuid(uid, uid, uid)
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))  # each client of a broker is one
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_PDEATHSIG, int(signal.SIGKILL))):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option}) refused")
    if os.getppid() != parent_pid:
        os._exit(ORPHAN_EXIT)


def main(argv: list[str]) -> None:
    parent_pid, uid, gid = (int(word) for word in argv[:3])
    become_child(parent_pid, uid, gid)
    os.execv(argv[3], argv[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
