"""A connection to a cluster's own API server: its address, the trust in it, the token, and no way elsewhere.

Entra clusters take a token for the AKS server application, got by azure-identity; clusters without Entra ID only their
kubeconfig, which is equal to cluster-admin and therefore used only where a setting allows it.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from checks.collect.arm.client import USER_AGENT, Azure
from checks.collect.kubernetes.bodies import PACKING
from checks.collect.kubernetes.calls import KubernetesApi
from checks.collect.kubernetes.kubeconfig import Kubeconfig
from checks.collect.wire import connections
from checks.collect.wire.errors import Temporary, translate_errors
from checks.facts import Cluster
from checks.loading import LOADING
from checks.rules.azure.clouds import AKS_SERVER_APPLICATION
from checks.text import one_line

if TYPE_CHECKING:
    from kubernetes.aio import client

RBAC_READER = "Azure Kubernetes Service RBAC Reader"


@asynccontextmanager
async def open_api(azure: Azure, cluster: Cluster, kubeconfig: Kubeconfig) -> AsyncIterator[KubernetesApi]:
    """The cluster's API over its own trust, closed at the end. Raises CollectError where no token can be had."""
    token = await cluster_token(azure, cluster) if kubeconfig.exec_plugin else kubeconfig.token
    api_client, connector = _api_client(kubeconfig, token)
    api_client.user_agent = USER_AGENT
    api_client.set_default_header("Accept-Encoding", PACKING)  # type: ignore[no-untyped-call]
    try:
        yield KubernetesApi(api_client)
    finally:
        await api_client.close()  # type: ignore[no-untyped-call]
        await connector.close()  # the client leaves a connector that it was given open


async def cluster_token(azure: Azure, cluster: Cluster) -> str:
    """A token for the AKS server application. Raises CollectError."""
    what = "no token for the AKS server application"
    async with translate_errors(what, RBAC_READER, cluster.id, azure.settings.call_seconds):
        return await azure.token(f"{AKS_SERVER_APPLICATION}/.default")


def _api_client(kubeconfig: Kubeconfig, token: str | None) -> tuple[client.ApiClient, aiohttp.BaseConnector]:
    """A client that trusts the cluster's own CA and nothing else, and its connector, which only the caller closes.

    Not as strict as Python 3.13 is, which refuses certificates without key identifiers: kubectl and curl take a CA of
    that kind. The chain is verified all the same, and so is the name.
    """
    with LOADING:
        from kubernetes.aio import client
    configuration = _configuration(kubeconfig, token)
    try:
        api_client = client.ApiClient(configuration)
        trust: ssl.SSLContext = api_client.rest_client.ssl_context
        _load_certificate(trust, kubeconfig)
    except (ssl.SSLError, ValueError) as error:
        raise Temporary(f"the kubeconfig's certificates cannot be used: {error}") from error
    # The client makes its session at the first request: with its own context, as making one takes half a millisecond.
    connector = connections.connector((), trust)
    configuration.client_session_kwargs = {
        "connector": connector,
        "auto_decompress": False,  # checks.collect.kubernetes.bodies does it, with zlib-ng
        "trust_env": connections.names_proxy(),
        "middlewares": (_refuse_redirects,),
    }
    return api_client, connector


def _configuration(kubeconfig: Kubeconfig, token: str | None) -> client.Configuration:
    with LOADING:
        from kubernetes.aio import client
    configuration = client.Configuration(host=kubeconfig.server)
    configuration.ca_cert_data = kubeconfig.ca_pem or None
    configuration.disable_strict_ssl_verification = bool(kubeconfig.ca_pem)
    if token:
        configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return configuration


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An API server redirects nobody, and the client would follow it to wherever it says."""
    response = await handler(request)
    if response.status in (301, 302, 303, 307, 308):
        location = one_line(response.headers.get("Location", "").partition("?")[0])[:200]
        response.close()
        raise Temporary(f"the Kubernetes API answered {response.status}: a redirect to {location} is not followed")
    return response


def _load_certificate(trust: ssl.SSLContext, kubeconfig: Kubeconfig) -> None:
    """A client certificate touches the disk only while it is loaded."""
    if kubeconfig.certificate_pem and kubeconfig.key_pem:
        with tempfile.TemporaryDirectory() as folder:
            pem = Path(folder, "client.pem")
            pem.touch(mode=0o600)
            pem.write_text(kubeconfig.certificate_pem + "\n" + kubeconfig.key_pem)
            trust.load_cert_chain(pem, password="")  # else OpenSSL asks at the terminal for an encrypted key's
