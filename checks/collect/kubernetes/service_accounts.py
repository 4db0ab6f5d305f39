"""The identities that service accounts name for their pods' pulls, by annotation."""

from __future__ import annotations

from checks.collect.arm import reads
from checks.collect.arm.bodies import GUID
from checks.collect.arm.client import Azure
from checks.collect.kubernetes.calls import SERVICE_ACCOUNTS
from checks.collect.kubernetes.connection import open_api
from checks.collect.kubernetes.kubeconfig import of_cluster as kubeconfig_of
from checks.collect.kubernetes.lists import Reader, deadline
from checks.collect.kubernetes.objects import ServiceAccount
from checks.collect.wire.errors import CollectError
from checks.facts import Cluster, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.image_pull import CLIENT_ID_ANNOTATION

UNREADABLE = "that is no client id"


async def client_ids(
    azure: Azure, cluster: Cluster, workloads: Seen[Workloads] | NotSeen
) -> Seen[dict[str, str]] | NotSeen:
    """The client id that each annotated service account names, by "namespace/name"; a gap where pods were not read."""
    if isinstance(workloads, NotSeen):
        return workloads
    if workloads.value.read_through:
        why = "the API server is out of reach, and service accounts are not read by Run Command"
        return NotSeen(NotSeenReason.UNREACHABLE, why)
    until = deadline(azure)
    try:
        kubeconfig = await kubeconfig_of(azure, cluster)
        async with open_api(azure, cluster, kubeconfig) as api:
            reader = Reader(azure, cluster, api, bytearray(), until)
            listed = await reader.whole(SERVICE_ACCOUNTS, ServiceAccount, named_identity)
    except CollectError as error:
        return error.as_gap()
    gaps = f"{listed.unreadable} service accounts could not be read" if listed.unreadable else ""
    return Seen(dict(listed.items), reads.evidence("service accounts", kubeconfig.server, "v1"), gaps)


def named_identity(account: ServiceAccount) -> list[tuple[str, str]]:
    """The account and the client id that it names; empty where it names none."""
    client_id = (account.metadata.annotations or {}).get(CLIENT_ID_ANNOTATION, "").strip()
    if not client_id:
        return []
    named = client_id if GUID.fullmatch(client_id) else UNREADABLE  # whoever may annotate writes what they like
    return [(f"{account.metadata.namespace}/{account.metadata.name}", named)]
