"""`python -m lightrouter.cli.child MODULE ARGUMENT...`: runs a service as a child that does not outlive its parent.

The parent holds the other end of standard input. When it ends, even by SIGKILL, that end closes.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from typing import Final

# A choice: seconds to stop in order after the parent is gone; then the kernel ends the process.
_GRACE_S: Final = 5


def main() -> None:
    """Runs the module that the first argument names, with the others as its arguments."""
    module, *arguments = sys.argv[1:]
    threading.Thread(target=_follow_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _follow_parent(parent: int) -> None:
    while os.read(parent, 1024):
        pass
    # The service drains at SIGTERM and normally ends the process; SIGALRM ends it otherwise.
    signal.alarm(_GRACE_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
