"""HTTP routes as the host matches them: templates with parameters, constraints, optional and catch-all segments."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from localhost.functions_host.model import Function

_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "guid": r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?:[Tt]rue|[Ff]alse)",
}
_PARAMETER = re.compile(r"\{(\*?)([A-Za-z_]\w*)(?::([A-Za-z]+))?(\??)\}")


@dataclass(frozen=True)
class Route:
    """One HTTP function's address. `methods` in upper case; empty stands for all."""

    function: Function
    template: str
    methods: frozenset[str]
    pattern: re.Pattern[str]

    @property
    def weight(self) -> tuple[int, int]:
        """Sorts literal templates before ones with parameters, and catch-alls last."""
        return (self.template.count("{*"), self.template.count("{"))


def route_of(function: Function, prefix: str) -> Route:
    """The route of an HTTP function; without a `route` its name is the route."""
    trigger = function.trigger
    own = str(trigger.get("route") or function.name).strip("/")
    template = f"/{prefix}/{own}" if prefix else f"/{own}"
    listed = trigger.get("methods")
    methods = frozenset(str(each).upper() for each in listed) if isinstance(listed, list) else frozenset()
    return Route(function, template, methods, _compile(template))


def find(routes: list[Route], method: str, path: str) -> tuple[Function, dict[str, str]] | None:
    """The function for a request and its route parameters; None stands for 404, as for a wrong method in Azure."""
    for route in sorted(routes, key=lambda each: each.weight):
        match = route.pattern.fullmatch(path)
        if match and (not route.methods or method in route.methods):
            return route.function, {name: unquote(value) for name, value in match.groupdict().items() if value}
    return None


def _compile(template: str) -> re.Pattern[str]:
    """A pattern for the raw path; literals match in any case, a trailing slash is allowed."""
    parts = []
    for segment in template.strip("/").split("/"):
        match = _PARAMETER.fullmatch(segment)
        if match is None:
            parts.append("/" + _mixed(segment))
            continue
        star, name, constraint, optional = match.groups()
        value = ".*" if star else _CONSTRAINTS.get(constraint or "", "[^/]+")
        group = f"/(?P<{name}>{value})"
        parts.append(f"(?:{group})?" if optional or star else group)
    return re.compile("".join(parts) + "/?", re.IGNORECASE)


def _mixed(segment: str) -> str:
    """A segment that mixes literals with parameters, such as `{name}.json`."""
    ends = [0]
    out = ""
    for match in _PARAMETER.finditer(segment):
        value = _CONSTRAINTS.get(match.group(3) or "", "[^/]+?")
        out += re.escape(segment[ends[-1] : match.start()]) + f"(?P<{match.group(2)}>{value})"
        ends.append(match.end())
    return out + re.escape(segment[ends[-1] :])
