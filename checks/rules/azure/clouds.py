"""The Azure clouds and the endpoints and names that differ between them.

Source: Azure's "national clouds" documentation and the environments of the Azure CLI. The Kubernetes server
application of AKS has the same id in all of them (AKS documentation, "kubelogin authentication").
"""

from __future__ import annotations

import msgspec

AKS_SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """One cloud. Endpoints have no trailing slash."""

    name: str
    arm: str
    arm_scope: str
    authority: str
    graph: str
    log_analytics: str
    acr_suffix: str
    vault_suffix: str
    hsm_suffix: str
    portal: str


CLOUDS = {
    cloud.name.lower(): cloud
    for cloud in (
        Cloud(
            name="AzurePublic",
            arm="https://management.azure.com",
            arm_scope="https://management.azure.com/.default",
            authority="https://login.microsoftonline.com",
            graph="https://graph.microsoft.com",
            log_analytics="https://api.loganalytics.io",
            acr_suffix="azurecr.io",
            vault_suffix="vault.azure.net",
            hsm_suffix="managedhsm.azure.net",
            portal="https://portal.azure.com",
        ),
        Cloud(
            name="AzureChina",
            arm="https://management.chinacloudapi.cn",
            arm_scope="https://management.chinacloudapi.cn/.default",
            authority="https://login.chinacloudapi.cn",
            graph="https://microsoftgraph.chinacloudapi.cn",
            log_analytics="https://api.loganalytics.azure.cn",
            acr_suffix="azurecr.cn",
            vault_suffix="vault.azure.cn",
            hsm_suffix="managedhsm.azure.cn",
            portal="https://portal.azure.cn",
        ),
        Cloud(
            name="AzureUSGovernment",
            arm="https://management.usgovcloudapi.net",
            arm_scope="https://management.usgovcloudapi.net/.default",
            authority="https://login.microsoftonline.us",
            graph="https://graph.microsoft.us",
            log_analytics="https://api.loganalytics.us",
            acr_suffix="azurecr.us",
            vault_suffix="vault.usgovcloudapi.net",
            hsm_suffix="managedhsm.usgovcloudapi.net",
            portal="https://portal.azure.us",
        ),
    )
}
