"""What does a secret look like in other people's text? Pure. ``checks.text.redacted`` takes secrets out.

    patterns    what the shapes are written in
    forms       secrets known by their own form: a JSON web token, a private key, a key that Azure marks as one
    places      secrets known by where they stand: in a header, in the user part of an address, in a file's field
    commands    secrets known by their place on a command line
    names       secrets known by the name before them: ``password``, ``client_secret``
    redaction   all of these over one text

Three rules hold for all shapes:

- Linear time on any text: what repeats is possessive (``*+``) or bounded, so nothing is tried twice.
- A text that was cut off loses its secret all the same: no shape waits for an end, be it a quote or a dash. (Those that
  must, because only what follows makes a secret of a word, are listed in ``tests/test_secrets.py``.)
- What people need stays: names, digests, ids, commands with placeholders (``"$PASSWORD"``, ``<password>``), sentences.
"""

from __future__ import annotations

from checks.secrets.patterns import REDACTED
from checks.secrets.redaction import without_secrets

__all__ = ["REDACTED", "without_secrets"]
