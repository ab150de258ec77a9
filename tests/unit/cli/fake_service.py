"""A service that does what its arguments say; run as a child by the tests of the supervision."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ready-file", type=Path, required=True)
parser.add_argument("--address", default="somewhere:1")
parser.add_argument("--say", default="")
parser.add_argument("--exit", type=int)
parser.add_argument("--deaf", action="store_true", help="takes no notice of SIGTERM")
arguments = parser.parse_args()

if arguments.say:
    sys.stderr.write(f"{arguments.say}\n")
if arguments.exit is not None:
    sys.exit(arguments.exit)
over = threading.Event()
signal.signal(signal.SIGTERM, signal.SIG_IGN if arguments.deaf else lambda number, frame: over.set())
partial = arguments.ready_file.with_suffix(".partial")
partial.write_text(f"{arguments.address} {os.getpid()}\n")
partial.replace(arguments.ready_file)
over.wait()
