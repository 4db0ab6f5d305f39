#!/bin/sh
# Runs a Python script with any Python from 3.11 on: tools/python.sh SCRIPT [ARGUMENT...]
# Each candidate is run before it is believed: a python3.13 on PATH may be a version manager's stand-in that refuses.
set -u
here=$(dirname "$0")/..
for candidate in "${PULLWATCH_PYTHON:-}" "$here/.venv/bin/python" python3 python3.13 python3.12 python3.11 python \
    "$HOME"/.pyenv/versions/3.1[1-9]*/bin/python3 /usr/bin/python3 /usr/local/bin/python3 /opt/homebrew/bin/python3 \
    /usr/bin/python3.1[1-9] /usr/local/bin/python3.1[1-9]; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        exec "$candidate" "$@"
    fi
    if [ "$candidate" = "${PULLWATCH_PYTHON:-}" ]; then
        echo "error: $candidate is not a Python 3.11 or newer that runs" >&2
        exit 1
    fi
done
echo "error: no Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3" >&2
exit 1
