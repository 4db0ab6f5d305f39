"""The exit codes of the command line. Warnings never change one."""

from __future__ import annotations

ALL_PASS = 0
FAILS = 1
UNKNOWN = 2  # something is unknown and nothing fails, nothing was found, or what was named does not exist
NOTHING_READABLE = 3  # not signed in, or nothing could be read
USAGE = 64
NOT_WRITTEN = 74  # no verdict: the output could not be written (EX_IOERR of sysexits.h)
SIGNALLED = 128  # and the signal's number, as shells have it
