"""``python -m checks``, which is ``pullwatch`` where that is installed."""

from __future__ import annotations

import sys

from checks.cli.entry import entry

if __name__ == "__main__":
    sys.exit(entry())
