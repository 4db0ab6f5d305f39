"""``az acr`` commands that fix a registry."""

from __future__ import annotations

from checks.facts import Registry, subscription_of
from checks.rules.fixes.shell import command, resource_options


def create_replica(registry: Registry, location: str) -> str:
    """``az acr replication create`` in a region."""
    return command("az", "acr", "replication", "create", *_registry_options(registry), "--location", location)


def enable_replica_routing(registry: Registry, replica: str) -> str:
    """``az acr replication update``: adds the replica to global routing again."""
    return command(
        *("az", "acr", "replication", "update", *_registry_options(registry), "--name", replica),
        *("--region-endpoint-enabled", "true"),
    )


def show_replica(registry: Registry, replica: str) -> str:
    """``az acr replication show``: the state of one replica."""
    return command("az", "acr", "replication", "show", *_registry_options(registry), "--name", replica)


def create_pull_token(registry: Registry, repositories: tuple[str, ...]) -> str:
    """``az acr token create``: a token that may only pull from repositories, with its password in the answer."""
    granted = [part for one in repositories for part in ("--repository", one, "content/read", "metadata/read")]
    return command("az", "acr", "token", "create", *_registry_options(registry), "--name", "pull", *granted)


def import_image(image: str) -> str:
    """``az acr import`` of one image from another tenant's registry, with credentials of that one."""
    target = image.partition("/")[2].partition("@")[0]
    return command(
        *("az", "acr", "import", "--name", "<registry of the cluster's tenant>", "--source", image),
        *("--image", target, "--username", "<token>", "--password", "<its password>"),
    )


def show_image(registry: Registry, repository: str, reference: str) -> str:
    """``az acr repository show``: one image by its tag or digest."""
    image = f"{repository}@{reference}" if ":" in reference else f"{repository}:{reference}"
    return command("az", "acr", "repository", "show", *_named_in_subscription(registry), "--image", image)


def list_repositories(registry: Registry) -> str:
    """``az acr repository list``."""
    return command("az", "acr", "repository", "list", *_named_in_subscription(registry))


def list_newest_tags(registry: Registry, repository: str) -> str:
    """``az acr repository show-tags``: the 20 newest tags of a repository."""
    where = (*_named_in_subscription(registry), "--repository", repository)
    return command("az", "acr", "repository", "show-tags", *where, "--orderby", "time_desc", "--top", "20")


def enable_reading(registry: Registry, image: str) -> str:
    """``az acr repository update --read-enabled`` of one image, as ``team/web:1`` or with a digest."""
    where = (*_named_in_subscription(registry), "--image", image)
    return command("az", "acr", "repository", "update", *where, "--read-enabled", "true")


def show_manifest(registry: Registry, image: str) -> str:
    """``az acr manifest show`` of one image, as ``team/web:1`` or with a digest."""
    where = ("--registry", registry.name, "--subscription", subscription_of(registry.id))
    return command("az", "acr", "manifest", "show", *where, "--name", image)


def list_manifests(registry: Registry, repository: str) -> str:
    """``az acr manifest list-metadata``: the manifests of a repository with their platforms."""
    where = ("--registry", registry.name, "--subscription", subscription_of(registry.id))
    return command("az", "acr", "manifest", "list-metadata", *where, "--name", repository)


def cache_upstream(image: str) -> str:
    """``az acr cache create``: a cache rule of an own registry for the repository of a foreign image."""
    repository = (
        image.partition("@")[0].rsplit(":", 1)[0] if ":" in image.rsplit("/", 1)[-1] else image.partition("@")[0]
    )
    return command(
        *("az", "acr", "cache", "create", "--registry", "<own registry>", "--name", "<rule>"),
        *("--source-repo", repository, "--target-repo", repository.partition("/")[2] or repository),
        *("--cred-set", "<credential set>"),
    )


def show_usage(registry: Registry) -> str:
    """``az acr show-usage``: usage and limits."""
    return command(
        "az", "acr", "show-usage", "--name", registry.name, *resource_options(registry.id), "--output", "table"
    )


def list_pull_counts(registry: Registry, hours: int) -> str:
    """``az monitor metrics list``: the pulls that the registry counted in the last hours, and those that succeeded."""
    return command(
        *("az", "monitor", "metrics", "list", "--resource", registry.id),
        *("--metrics", "TotalPullCount", "SuccessfulPullCount", "--aggregation", "Total"),
        *("--interval", "PT1H", "--offset", f"{hours}h", "--output", "table"),
    )


def change_sku(registry: Registry, sku: str) -> str:
    """``az acr update --sku``."""
    return _update("--name", registry.name, *resource_options(registry.id), "--sku", sku)


def enable_public_access(registry: Registry) -> str:
    """``az acr update``: turns public network access on; the existing network rules then apply."""
    return _update("--name", registry.name, *resource_options(registry.id), "--public-network-enabled", "true")


def update_registry(registry: str, subscription: str, *options: str) -> str:
    """``az acr update`` with options, of a registry known by its name and subscription."""
    return _update("--subscription", subscription, "--name", registry, *options)


def _update(*options: str) -> str:
    return command("az", "acr", "update", *options)


def enable_arm_tokens(registry: str, subscription: str) -> str:
    """``az acr config authentication-as-arm update``: the registry accepts Azure Resource Manager tokens again."""
    return command(
        *("az", "acr", "config", "authentication-as-arm", "update", "--subscription", subscription),
        *("--registry", registry, "--status", "enabled"),
    )


def assign_identity(registry: Registry, identity: str) -> str:
    """``az acr identity assign``: a user-assigned identity, or "[system]"; the registry keeps those that it has."""
    where = ("--name", registry.name, *resource_options(registry.id))
    return command("az", "acr", "identity", "assign", *where, "--identities", identity)


def show_system_principal(registry: Registry) -> str:
    """``az acr identity show``: the object id of the registry's system-assigned identity."""
    where = ("--name", registry.name, *resource_options(registry.id))
    return command("az", "acr", "identity", "show", *where, "--query", "principalId", "--output", "tsv")


def use_key(registry: Registry, key: str, identity: str) -> str:
    """``az acr encryption rotate-key``: the registry uses a key with an identity."""
    where = ("--name", registry.name, *resource_options(registry.id))
    return command("az", "acr", "encryption", "rotate-key", *where, "--key-encryption-key", key, "--identity", identity)


def show_encryption(registry: Registry) -> str:
    """``az acr encryption show``: the key that a registry is encrypted with, and the identity that it uses it with."""
    return command("az", "acr", "encryption", "show", "--name", registry.name, *resource_options(registry.id))


def show_credential_set(registry: Registry, name: str) -> str:
    """``az acr credential-set show``: its secrets and their health."""
    return command("az", "acr", "credential-set", "show", *_registry_options(registry), "--name", name)


def show_cache_rule(registry: Registry, name: str) -> str:
    """``az acr cache show``: a cache rule and the credential set that it uses."""
    return command("az", "acr", "cache", "show", *_registry_options(registry), "--name", name)


def cache_mcr(registry: str, subscription: str) -> str:
    """``az acr cache create`` for mcr.microsoft.com, from which nodes of a network isolated cluster bootstrap."""
    return command(
        *("az", "acr", "cache", "create", "--subscription", subscription, "--registry", registry),
        *("--name", "aks-managed-mcr", "--source-repo", "mcr.microsoft.com/*"),
        *("--target-repo", "aks-managed-repository/*"),
    )


def list_network_rules(registry: Registry) -> str:
    """``az acr network-rule list``: the networks that the registry's firewall allows."""
    return command("az", "acr", "network-rule", "list", "--name", registry.name, *resource_options(registry.id))


def allow_address(registry: Registry, network: str) -> str:
    """``az acr network-rule add`` of an IP address or CIDR range."""
    return _add_network_rule(registry, "--ip-address", network)


def allow_subnet(registry: Registry, subnet_id: str) -> str:
    """``az acr network-rule add`` of a subnet."""
    return _add_network_rule(registry, "--subnet", subnet_id)


def _add_network_rule(registry: Registry, *source: str) -> str:
    rule = ("az", "acr", "network-rule", "add", "--name", registry.name)
    return command(*rule, *resource_options(registry.id), *source)


def check_health(registry: Registry) -> str:
    """``az acr check-health``: tests the connection from the machine where it runs."""
    where = ("--subscription", subscription_of(registry.id))
    return command("az", "acr", "check-health", "--name", registry.name, *where, "--ignore-errors", "--yes")


def _named_in_subscription(registry: Registry) -> tuple[str, ...]:
    """How the commands about what a registry holds name it: they take no resource group."""
    return ("--name", registry.name, "--subscription", subscription_of(registry.id))


def _registry_options(registry: Registry) -> tuple[str, ...]:
    return ("--registry", registry.name, *resource_options(registry.id))
