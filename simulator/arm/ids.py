"""Azure resource ids and ARM paths taken apart. Comparison is always on `key(...)`: Azure ignores case in ids."""

from __future__ import annotations

from dataclasses import dataclass

MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"


def key(resource_id: str) -> str:
    """The form ids are compared in: lower case, one leading slash, none at the end; `/` itself is the empty string."""
    return "/".join(["", *(part for part in resource_id.lower().split("/") if part)])


def covers(above: str, below: str) -> bool:
    """Whether one key is the same as or an ancestor of another by its path, on a `/` boundary."""
    return below == above or below.startswith(above + "/")


@dataclass(frozen=True, slots=True)
class ArmPath:
    """A path such as {scope}/providers/{namespace}/{types[0]}/{names[0]}/{types[1]}...; text as it was written.

    `scope` is what stands before the last `/providers/` ("" for the tenant), `namespace` is None without one.
    """

    scope: str
    namespace: str | None
    types: tuple[str, ...]
    names: tuple[str, ...]
    segments: tuple[str, ...]

    @property
    def subscription(self) -> str | None:
        named = len(self.segments) > 1 and self.segments[0].lower() == "subscriptions"
        return self.segments[1] if named else None

    @property
    def group(self) -> str | None:
        named = len(self.segments) > 3 and self.segments[2].lower() == "resourcegroups" and self.subscription
        return self.segments[3] if named else None

    @property
    def is_resource(self) -> bool:
        return bool(self.types) and len(self.types) == len(self.names)

    @property
    def full_type(self) -> str:
        """`Namespace/type/childType`, as it is written in the path."""
        return "/".join([self.namespace or "", *self.types])

    @property
    def parent(self) -> str | None:
        """The id of the resource this one is nested in; None for a resource that is not nested."""
        if len(self.types) < 2:
            return None
        end = len(self.segments) - (2 if self.is_resource else 1)
        return "/" + "/".join(self.segments[:end])

    @property
    def text(self) -> str:
        return "/" + "/".join(self.segments)


def parse(path: str) -> ArmPath:
    """Takes any path apart; what is no ARM path comes back with namespace None."""
    segments = tuple(part for part in path.split("/") if part)
    locations = [
        index for index, part in enumerate(segments) if part.lower() == "providers" and index + 1 < len(segments)
    ]
    if not locations:
        return ArmPath("/".join(["", *segments]), None, (), (), segments)
    at = locations[-1]
    rest = segments[at + 2 :]
    return ArmPath("/".join(["", *segments[:at]]), segments[at + 1], rest[0::2], rest[1::2], segments)
