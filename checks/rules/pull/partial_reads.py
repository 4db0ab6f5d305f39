"""How a finding says that pods were read in part: what was seen counts, what was not proves nothing."""

from checks.causes import ReadCause

CAUSE = ReadCause.PARTIAL_PODS
MISSING = "a whole reading of the cluster's pods"
