"""Image manifests made from what a tenant's registry file says: {"digest": "sha256:...", "platforms": ["linux/amd64"]}.

An image for several platforms is an index with one manifest each; an image for one platform, or with none named, is a
plain manifest. `made_digest` is the true digest of what is served, for those who write registry files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_BYTES = b"a layer without any file in it"


@dataclass(frozen=True, slots=True)
class Document:
    """Something a registry serves by digest."""

    media_type: str
    digest: str
    content: bytes


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def made_digest(repository: str, tag: str, platforms: list[str]) -> str:
    """The digest that fits the content served for a tag."""
    return _top(repository, tag, platforms).digest


def documents(repository: str, tag: str, entry: Any) -> tuple[list[Document], list[Document]]:
    """(manifests, the tag's own first; blobs) of one tag, under the digest its file names."""
    table = entry if isinstance(entry, dict) else {}
    platforms = [str(p) for p in table.get("platforms") or []] if isinstance(table.get("platforms"), list) else []
    top = _top(repository, tag, platforms)
    named = table.get("digest")
    if isinstance(named, str):
        top = Document(top.media_type, named, top.content)
    made = [_plain(repository, tag, platform) for platform in platforms or ["linux/amd64"]]
    manifests = [top, *(manifest for manifest, _ in made)] if len(platforms) > 1 else [top]
    return manifests, [*(blob for _, blob in made), Document(LAYER, digest_of(LAYER_BYTES), LAYER_BYTES)]


def platform_of(entry: Any, index: int) -> dict[str, str]:
    """os and architecture of a tag's manifest: none of its index, and of a single image what its file says."""
    listed = entry.get("platforms") if isinstance(entry, dict) else None
    platforms = [str(p) for p in listed or ["linux/amd64"]] if isinstance(listed, list | None) else ["linux/amd64"]
    if len(platforms) > 1:
        return {} if index == 0 else _platform(platforms[index - 1])
    return _platform(platforms[0])


def _top(repository: str, tag: str, platforms: list[str]) -> Document:
    if len(platforms) < 2:
        return _plain(repository, tag, platforms[0] if platforms else "linux/amd64")[0]
    entries = []
    for platform in platforms:
        manifest, _ = _plain(repository, tag, platform)
        described = {"mediaType": MANIFEST, "digest": manifest.digest, "size": len(manifest.content)}
        entries.append(described | {"platform": _platform(platform)})
    content = msgspec.json.encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    return Document(INDEX, digest_of(content), content)


def _plain(repository: str, tag: str, platform: str) -> tuple[Document, Document]:
    config = {
        **_platform(platform),
        "config": {"Labels": {"from": f"{repository}:{tag}"}},
        "rootfs": {"type": "layers"},
    }
    blob = msgspec.json.encode(config)
    described = {"mediaType": CONFIG, "digest": digest_of(blob), "size": len(blob)}
    layer = {"mediaType": LAYER, "digest": digest_of(LAYER_BYTES), "size": len(LAYER_BYTES)}
    content = msgspec.json.encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [layer]})
    return Document(MANIFEST, digest_of(content), content), Document(CONFIG, digest_of(blob), blob)


def _platform(text: str) -> dict[str, str]:
    """`os/architecture[/variant]`."""
    parts = [*text.split("/"), ""]
    named = {"os": parts[0], "architecture": parts[1] or "amd64"}
    return named | ({"variant": parts[2]} if len(parts) > 3 else {})
