"""PW204: private DNS leads the registry's names to its private endpoint."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.paths import ClusterPaths, path_findings
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion

CHECK = Check(
    code="PW204",
    title="Private DNS records",
    severity=Severity.ERROR,
    why=(
        "Names decide which way nodes take: a missing zone link leads to the public endpoint, a missing record to "
        "no address at all."
    ),
    how=(
        "The private DNS zones that are linked to the nodes' network answer the names of the login server and of "
        "each data endpoint; the addresses have to be those of the registry's private endpoint. A zone without the "
        "record means that the name does not exist, unless the link says NxDomainRedirect. A record that only "
        "another region's replica lacks is a warning. Custom DNS servers in the network decide for themselves: "
        "Unknown."
    ),
    permissions=("Reader on the subscriptions of the zones, the private endpoints and the virtual network",),
    fix="Link the zone to the network, or add the record that is missing.",
    article=("VNet access", "DNS"),
    links=(
        "https://learn.microsoft.com/azure/private-link/private-endpoint-dns",
        "https://learn.microsoft.com/azure/dns/private-dns-fallback",
    ),
    decides=Decides.PATH,
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.NAMES, paths)
