"""Commands that give the pods' service accounts an identity to pull with."""

from __future__ import annotations

from checks.facts import Cluster
from checks.facts.image_pull import CLIENT_ID_ANNOTATION
from checks.rules.fixes.shell import command

PREVIEW_API = "2026-08-02-preview"
_DEFAULT = "properties.securityProfile.serviceAccountImagePullProfile.defaultManagedIdentityId"


def name_an_identity(cluster: Cluster) -> tuple[str, ...]:
    """Either a service account names an identity, or the cluster has a default one (no option of ``az aks``)."""
    return (
        "# Either let the service account of the pods name an identity (it takes an identity binding of the cluster):",
        command(
            *("kubectl", "annotate", "serviceaccount", "--namespace", "<namespace>", "<service account>"),
            f"{CLIENT_ID_ANNOTATION}=<client id>",
        ),
        "# or give the cluster a default identity:",
        command(
            *("az", "resource", "update", "--ids", cluster.id, "--api-version", PREVIEW_API),
            *("--set", f"{_DEFAULT}=<resource id of the identity>"),
        ),
    )
