"""PW107: the registry's admin user, an account with one password for everybody, is enabled."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen, subscription_of
from checks.findings import Finding, Severity
from checks.rules.fixes import az_acr


class AdminUserCause(Cause):
    """Causes of PW107."""

    DISABLED = "admin-user-disabled", "The registry's admin user is disabled."
    ENABLED = (
        "admin-user-enabled",
        "The registry's admin user is enabled: its password allows pushing and deleting.",
    )
    NOT_SHOWN = "admin-user-not-shown", "Azure Resource Manager does not show whether the admin user is enabled."


CHECK = Check(
    code="PW107",
    title="Registry admin user",
    severity=Severity.WARNING,
    why=(
        "The admin user can push and delete. Everybody who has its password is the same user in logs, and it cannot be "
        "limited to a repository. Nodes do not need it: they pull with the kubelet identity."
    ),
    how=(
        "adminUserEnabled of each registry in use, as Azure Resource Manager shows it. A value that is absent or makes "
        "no sense is Unknown. It never fails a registry's row."
    ),
    permissions=("Reader on the registry's subscription",),
    fix="Replace the pull secrets that use the admin user, then disable it with `az acr update --admin-enabled false`.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-authentication#admin-account",),
    advisory=True,
    causes=(AdminUserCause,),
)
# Who signs in as the admin user is not visible from here, so the command that locks them out says so first.
FIRST = "# This ends the access of everything that signs in as the admin user. Replace those credentials first."


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry in use."""
    if isinstance(view.registry, NotSeen):
        return (CHECK.not_seen(view.subject, view.registry, view.name),)
    registry = view.registry.value
    if registry.admin_user_enabled is None:
        summary = f"Azure Resource Manager does not show whether the admin user of {registry.name} is enabled."
        missing = "adminUserEnabled of the registry"
        return (CHECK.unknown(view.subject, AdminUserCause.NOT_SHOWN, summary, view.evidence, missing=missing),)
    if not registry.admin_user_enabled:
        summary = f"The admin user of {registry.name} is disabled."
        return (CHECK.passes(view.subject, AdminUserCause.DISABLED, summary, view.evidence),)
    summary = f"The admin user of {registry.name} is enabled: whoever has its password can push and delete images."
    disable = az_acr.update_registry(registry.name, subscription_of(registry.id), "--admin-enabled", "false")
    return (CHECK.fails(view.subject, AdminUserCause.ENABLED, summary, view.evidence, fix=(FIRST, disable)),)
