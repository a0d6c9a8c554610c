"""A process must not outlive its master (LIFE-050).

The portable way is the channel: its end tells the event loop that the master is gone. A process that hangs
never looks. On Linux the kernel can send a signal when the parent dies (prctl(2), PR_SET_PDEATHSIG); Python
runs its handler between two bytecodes and in the middle of a sleep, and the handler sets the alarm clock,
whose default action ends the process whatever it is doing.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(master: int, grace: float) -> None:
    """Make this process end at most `grace` seconds after its parent, the process `master`."""
    if not sys.platform.startswith("linux"):
        return
    # The last real-time signal: nobody ignores or uses it by habit, as they do with SIGTERM.
    signal.signal(signal.SIGRTMAX, lambda *_: set_alarm(grace))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGRTMAX), 0, 0, 0)
    if os.getppid() != master:  # it died before we asked
        os._exit(1)


def set_alarm(seconds: float) -> None:
    """Be killed by SIGALRM in `seconds`, even where a program had its own use for that signal (LIFE-060)."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
