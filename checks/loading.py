"""What is imported at its first use is imported by one thread at a time.

The Functions host runs triggers in several threads, and the first ones come together. Python lets two threads load
packages side by side, but not such as import each other's parts in a circle, which azure-core and kubernetes do: one
thread is then shown a module that is half loaded, and its trigger fails with an ImportError.
"""

from __future__ import annotations

import threading

# Held around imports in the bodies of functions that the host's threads run, and around nothing else.
LOADING = threading.RLock()
