"""What helps where no command does: a way through the network, a setting. Pure."""

from __future__ import annotations

from checks.doctor.model import LackKind


def remarks(what: str, kind: LackKind, role: str) -> tuple[str, ...]:
    """Remarks about a line of a cluster's coverage, each beginning with ``#``."""
    if kind is LackKind.NETWORK and what == "images":
        return (
            "# Pullwatch itself cannot reach the registry: deploy it into a network that does (subnetId of infra/), or",
            "# let its egress address through the registry's firewall. PULLWATCH_CHECK_IMAGES=false asks nodes only.",
        )
    if kind is LackKind.NETWORK:
        way = "# The API server is out of reach: deploy Pullwatch into a network that reaches it (subnetId of infra/),"
        if "PULLWATCH_ALLOW_RUN_COMMAND" in role:
            return (
                way,
                "# add its egress address to the authorized IP ranges, or set PULLWATCH_ALLOW_RUN_COMMAND=true",
            )
        return (way, "# or add its egress address to the authorized IP ranges")
    if kind is LackKind.SETTING and role:
        return (f"# Setting: {role}",)
    return ()
