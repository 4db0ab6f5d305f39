"""What a report changes about what is held of a cluster, and who is notified. Pure: all it needs is handed in.

In short: only Pass and Fail move a subject, after as many looks as its facet asks for; Unknown and Skipped resolve
nothing and flip nothing; what is absent from a report is kept, not recovered; what flips again and again is damped; a
run that was counted already, or is older than one that was, changes nothing. The rules, one sentence each, are the rows
of ``tests/history/test_decide.py``.
"""

from checks.history.decide.cluster import decide
from checks.history.decide.leaving import gone, opted_out
from checks.history.decide.policy import ALERTED, FACETS, Policy
from checks.history.decide.replay import Checkpoint, Held, fold, replay, statuses

__all__ = [
    "ALERTED",
    "FACETS",
    "Checkpoint",
    "Held",
    "Policy",
    "decide",
    "fold",
    "gone",
    "opted_out",
    "replay",
    "statuses",
]
