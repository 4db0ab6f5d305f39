"""The checks, one module each (``pwNNN_what_it_asks.py``): its metadata ``CHECK`` beside its pure ``judge``."""

from __future__ import annotations

from collections.abc import Callable

from checks.catalog import (
    pw101_kubelet_identity,
    pw102_pull_permission,
    pw103_excess_permissions,
    pw104_authentication_as_arm,
    pw105_cross_tenant,
    pw106_secret_expiry,
    pw201_registry_connectivity,
    pw202_egress_and_ip_rules,
    pw203_private_endpoint,
    pw204_private_dns,
    pw205_service_endpoints,
    pw206_nsg_routes_proxy,
    pw301_pull_failures,
    pw302_images_exist,
    pw303_pull_secrets,
    pw304_images_without_credentials,
    pw305_canary_pull,
    pw306_registry_names,
    pw401_geo_replication,
    pw402_sku_limits,
    pw403_artifact_cache,
    pw404_pull_times,
    pw405_node_hardware,
    pw406_dns,
    pw501_bootstrap_registry,
)
from checks.catalog.check import Check
from checks.facts import ClusterFacts
from checks.findings import Finding

Judge = Callable[[ClusterFacts], tuple[Finding, ...]]

MODULES = (
    pw101_kubelet_identity,
    pw102_pull_permission,
    pw103_excess_permissions,
    pw104_authentication_as_arm,
    pw105_cross_tenant,
    pw106_secret_expiry,
    pw201_registry_connectivity,
    pw202_egress_and_ip_rules,
    pw203_private_endpoint,
    pw204_private_dns,
    pw205_service_endpoints,
    pw206_nsg_routes_proxy,
    pw301_pull_failures,
    pw302_images_exist,
    pw303_pull_secrets,
    pw304_images_without_credentials,
    pw305_canary_pull,
    pw306_registry_names,
    pw401_geo_replication,
    pw402_sku_limits,
    pw403_artifact_cache,
    pw404_pull_times,
    pw405_node_hardware,
    pw406_dns,
    pw501_bootstrap_registry,
)


def checks() -> tuple[Check, ...]:
    """Every check's metadata, in the order of the codes."""
    return tuple(module.CHECK for module in MODULES)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings about one cluster, in the order of the codes."""
    return tuple(finding for module in MODULES for finding in module.judge(facts))
