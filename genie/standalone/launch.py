"""Prepare a child process between fork and exec, then become the program to run.

Run as a plain script (`python -I -S launch.py PARENT SIGNAL UID GID PROGRAM ARG...`) rather than as
a `preexec_fn`: forking a process that has threads and then running Python in the child can
deadlock. The program replaces this process, so its pid is the one the supervisor started.

Imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
KEEP = -1  # "leave the user or group as it is"
RESET = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)


def main(argv: list[str]) -> None:
    """Drop privileges, ask to be told when the parent dies, and exec.

    Args:
        argv: pid of the parent, signal to receive when it dies, uid and gid to run as (-1: keep),
            then the program and its arguments.
    """
    parent, death_signal, uid, gid = (int(value) for value in argv[:4])
    for (
        number
    ) in RESET:  # a shell starts background jobs with SIGINT ignored, and that is inherited
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if gid != KEEP:
        os.setgroups([])
        os.setgid(gid)
    if uid != KEEP:
        os.setuid(uid)
    # After setuid, because a change of user clears it.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the request was made: nobody will signal us
        sys.exit(1)
    os.execv(argv[4], argv[4:])  # noqa: S606 - the point: no shell


if __name__ == "__main__":
    main(sys.argv[1:])
