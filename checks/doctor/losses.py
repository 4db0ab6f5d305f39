"""What is not known where something is not read. Pure."""

from __future__ import annotations

from checks.catalog import checks

# By how the coverage calls what is read, which may go on with the id of a subscription.
_RESTS = {
    "pods": ("PW301", "PW302", "PW303", "PW304", "PW404"),
    "events": ("PW301", "PW404"),
    "kubelet identity": ("PW101", "PW102"),
    "the identity's resource": ("PW101",),
    "the nodes' machines": ("PW101",),
    "the service principal's secrets": ("PW106",),
    "labels of nodes": ("PW101",),
    "role assignments": ("PW102", "PW103"),
    "role definitions": ("PW102", "PW103"),
    "deny assignments": ("PW102",),
    "assignments through groups": ("PW102",),
    "pulls by service accounts": ("PW102",),
    "identity bindings": ("PW102",),
    "service accounts": ("PW102",),
    "networks": ("PW202", "PW203", "PW204", "PW205", "PW206"),
    "all of subscription": ("PW102", "PW202", "PW203", "PW204", "PW206"),
    "images": ("PW302",),
    "pull secrets": ("PW303",),
    "canary pulls": ("PW305",),
}


def lost_without(what: str) -> str:
    """What is unknown without a line of the coverage, by the checks that rest on it."""
    codes = next((codes for start, codes in _RESTS.items() if what == start or what.startswith(f"{start} ")), ())
    return lost_of(codes)


def lost_of(codes: tuple[str, ...]) -> str:
    """What is unknown without these checks."""
    if not codes:
        return "what rests on it is unknown"
    titles = {check.code: check.title for check in checks()}
    return ", ".join(f"{code} ({titles[code]})" for code in codes if code in titles)
