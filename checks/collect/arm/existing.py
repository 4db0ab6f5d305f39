"""Of which kinds a subscription holds nothing, by one list of its resources: then their own lists need no reading.

For a check of one cluster, in whose subscription network managers and DNS forwarding rulesets are rare. Only where the
app's own roles allow reading these kinds does the list show all. Source: "Resources - List" (Microsoft.Resources
2021-04-01), whose ``$filter`` takes resource types combined with ``or``.
"""

from __future__ import annotations

from typing import Any

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.arm.networks import is_about_registries
from checks.collect.arm.parts import Part
from checks.facts import Seen
from checks.facts.visibility import Visibility
from checks.rules import visibility

API = "2021-04-01"
READ = "Microsoft.Resources/subscriptions/resources/read"
KINDS = {
    Part.ZONES: visibility.PRIVATE_ZONES,
    Part.RULESETS: visibility.RULESETS,
    Part.MANAGERS: visibility.NETWORK_MANAGERS,
}
Empty = dict[Part, Seen[dict[str, Any]]]


async def none_of(azure: Azure, subscription: str, own: Visibility) -> Empty:
    """The parts among ``KINDS`` of which a subscription certainly holds nothing that matters, as empty lists."""
    if not all(
        visibility.allows(own, subscription, one) for one in (READ, *(f"{kind}/read" for kind in KINDS.values()))
    ):
        return {}
    scope = f"/subscriptions/{subscription}"
    wanted = " or ".join(f"resourceType eq '{kind}'" for kind in KINDS.values())
    listed = await reads.seen(_listed(azure, scope, wanted))
    if not isinstance(listed, Seen):
        return {}
    held = {part for item in listed.value for part in _parts_of(item, azure.settings.cloud.acr_suffix)}
    return {part: Seen({}, listed.evidence) for part in KINDS if part not in held}


async def _listed(azure: Azure, scope: str, wanted: str) -> Seen[list[Any]]:
    listing = await reads.raw_list(azure, f"{scope}/resources", API, "resources", scope, wanted)
    return Seen(listing.items, listing.evidence)


def _parts_of(item: Any, suffix: str) -> set[Part]:
    """The part that a resource belongs to; none for a zone of other names; any for what cannot be read."""
    kind, name = (bodies.text(item, "type") or "").lower(), bodies.name_of(item)
    part = next((part for part, one in KINDS.items() if one.lower() == kind), None)
    if part is None or not name:
        return set(KINDS)
    return set() if part is Part.ZONES and not is_about_registries(name, suffix) else {part}
