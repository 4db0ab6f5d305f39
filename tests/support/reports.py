"""Reports for tests of what comes after judging: words in, a cluster's report out."""

from __future__ import annotations

from checks.findings import Basis, ClusterReport, Facet, Fail, Pass, RegistryRow, Skipped, Unknown, Verdict

CLUSTER = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers"
    "/Microsoft.ContainerService/managedClusters/aks-1"
)
REGISTRY = "acrone.azurecr.io"
VERDICTS: dict[str, Verdict] = {
    "pass": Pass(),
    "fail": Fail(),
    "unknown": Unknown("Reader"),
    "skipped": Skipped("another way is taken"),
}


def facet(word: str, cause: str = "role-missing") -> Facet:
    """A facet with a verdict by its word."""
    fix = ("az role assignment create --role AcrPull",) if word == "fail" else ()
    return Facet(VERDICTS[word], cause if word == "fail" else "", ("PW102",), f"It is a {word}.", fix)


def report(
    access: str, path: str = "pass", pull: str = "", *, cause: str = "role-missing", cluster: str = CLUSTER
) -> ClusterReport:
    """A report with one registry; ``pull`` follows ``access`` where it is not given."""
    row = RegistryRow(
        registry=REGISTRY,
        access=facet(access, cause),
        path=facet(path),
        pull=facet(pull or access, cause),
        sources=("images of 1 pod",),
        basis=(Basis.NODES, Basis.AZURE),
    )
    return ClusterReport(id=cluster, registries=(row,))


def seen_of(word: str, cluster: str = CLUSTER) -> ClusterReport:
    """A report by one word: the verdict of access and pull, or "no path" where only the path fails."""
    if word == "no path":
        return report("pass", "fail", "pass", cluster=cluster)
    return report(word, cluster=cluster)
