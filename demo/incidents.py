"""What the demo breaks in its tenant and repairs: raw bodies in files, as Azure and Kubernetes would show them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
CLUSTER_TYPE = "microsoft.containerservice/managedclusters"
REGISTRY_TYPE = "microsoft.containerregistry/registries"


@dataclass(frozen=True)
class RemovedRole:
    """A pull role that one cluster's nodes lost on one registry."""

    cluster: str
    registry: str
    file: Path
    assignment: dict[str, Any]


@dataclass(frozen=True)
class BrokenImage:
    """A pod of one cluster that asks for a tag that is not there."""

    cluster: str
    image: str
    file: Path
    before: str


def _bodies(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    bodies: list[tuple[Path, dict[str, Any]]] = []
    for file in sorted(folder.rglob("*.json")):
        content = json.loads(file.read_text())
        for body in content if isinstance(content, list) else [content]:
            if isinstance(body, dict):
                bodies.append((file, body))
    return bodies


def _of_type(tenant: Path, kind: str) -> list[dict[str, Any]]:
    return [body for _, body in _bodies(tenant / "arm") if str(body.get("type", "")).lower() == kind]


def remove_role(tenant: Path, seed: int) -> RemovedRole:
    """Takes the AcrPull that some cluster holds directly on a registry out of the tenant."""
    names = {
        body["properties"]["identityProfile"]["kubeletidentity"]["objectId"]: body["name"]
        for body in _of_type(tenant, CLUSTER_TYPE)
    }
    servers = {body["id"].lower(): body["properties"]["loginServer"] for body in _of_type(tenant, REGISTRY_TYPE)}
    held = [
        (file, body)
        for file, body in _bodies(tenant / "authorization")
        if body.get("properties", {}).get("principalId") in names
        and body["properties"]["scope"].lower() in servers
        and body["properties"]["roleDefinitionId"].endswith(ACR_PULL)
    ]
    file, assignment = random.Random(seed).choice(held)
    kept = [body for body in json.loads(file.read_text()) if body != assignment]
    file.write_text(json.dumps(kept))
    properties = assignment["properties"]
    return RemovedRole(names[properties["principalId"]], servers[properties["scope"].lower()], file, assignment)


def restore_role(removed: RemovedRole) -> None:
    """Puts the assignment back where it was."""
    bodies = json.loads(removed.file.read_text())
    removed.file.write_text(json.dumps([*bodies, removed.assignment]))


def break_image(tenant: Path, seed: int, *, not_in: str) -> BrokenImage:
    """Makes one pod of another cluster ask for a tag that its registry has not got, as kubelet then reports it."""
    folders = sorted(f for f in (tenant / "kubernetes").iterdir() if f.is_dir() and f.name != not_in)
    file = next(iter(sorted(random.Random(seed).choice(folders).glob("*.json"))))
    before = file.read_text()
    content = json.loads(before)
    pods = [item for item in content["items"] if item["kind"] == "Pod" and ".azurecr." in _image(item)]
    pod = random.Random(seed).choice(pods)
    image = f"{_image(pod).rpartition(':')[0]}:no-such-tag"
    _waits_for(pod, image)
    file.write_text(json.dumps(content))
    return BrokenImage(file.parent.name, image, file, before)


def repair_image(broken: BrokenImage) -> None:
    """Puts the pod back as it was."""
    broken.file.write_text(broken.before)


def _image(pod: dict[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _waits_for(pod: dict[str, Any], image: str) -> None:
    container = pod["spec"]["containers"][0]
    container["image"] = image
    text = (
        f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack '
        f'image "{image}": failed to resolve reference "{image}": {image}: not found'
    )
    waiting = {"reason": "ImagePullBackOff", "message": text}
    status = {"name": container["name"], "image": image, "imageID": "", "ready": False, "restartCount": 0}
    pod["status"]["phase"] = "Pending"
    pod["status"]["containerStatuses"] = [{**status, "state": {"waiting": waiting}, "lastState": {}}]
