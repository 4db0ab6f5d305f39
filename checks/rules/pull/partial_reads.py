"""How a finding says that pods were read in part: what was seen counts, what was not proves nothing."""

CAUSE = "pods-read-in-part"
MISSING = "a whole reading of the cluster's pods"
