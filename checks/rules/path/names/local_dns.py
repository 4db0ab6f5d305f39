"""LocalDNS: a cache on each node that pulls go through too. By default it asks the DNS that the network names.

An override may send a domain to the cluster's CoreDNS instead, whose configuration is in the cluster. Whether a domain
stands for the names below it is not settled: the page on LocalDNS says that domains match exactly, CoreDNS takes them
as suffixes. Source: "Configure LocalDNS in AKS".
"""

from __future__ import annotations

from checks.facts import AgentPool
from checks.rules.path.names.zones import covers
from checks.rules.results import Result, unknown


def question(pool: AgentPool, host: str, private: str) -> Result | None:
    """Why it is not known what a pool's nodes hear of a host, whose name in private zones is ``private``."""
    zone = next((z for z in pool.core_dns_zones if not z or covers(z, host) or covers(z, private)), None)
    if zone is None:
        return None
    summary = (
        f"LocalDNS on the nodes of {pool.name} sends {zone or 'all names'} to the cluster's CoreDNS "
        f"(vnetDNSOverrides, ClusterCoreDNS), which may answer {host} as its own configuration says."
    )
    return unknown("local-dns", summary, f"what CoreDNS answers for {host}")
