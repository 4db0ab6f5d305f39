"""Which kubelet identity nodes were made with, as their labels tell."""

from __future__ import annotations

import msgspec

# The client id that the node asks for tokens of; empty on clusters with a service principal.
CLIENT_ID_LABEL = "kubernetes.azure.com/kubelet-identity-client-id"
# On nodes of node auto-provisioning, whose label above may lag behind.
PROVISIONED_LABEL = "karpenter.sh/nodepool"


class FormerIdentityNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node whose label names another kubelet identity (by client id) than the cluster has now."""

    name: str
    client_id: str
    provisioned: bool = False
