"""What only texts about pulls have: phrases of those who pull, and the requests that they send to a registry.

A word alone is no sign. "Pull", "registry", "manifest" and "layer" are words of git, npm, Terraform and queues, "/v2/"
is the path of many an API, and the words of the error ("connection refused", "401 Unauthorized") are those of every
application.
"""

from __future__ import annotations

import re

from checks.rules.pull.errors.unwrap import MAX_TEXT, ascii_lower

_REFERENCE = r"(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?/[a-z0-9._/-]{1,255}(?::[\w.-]{1,128}|@sha256:)"
# Kubelet, and what it asks of a container runtime.
_KUBELET = (
    r"\berrimage",
    r"\bimagepull(?:backoff|failure)",
    r"\bpull policy of never\b",
    r"\bdefault image tag\b",
    r"\bparse (?:image |docker )?(?:reference|image name)\b",
    r"\binvalid reference format\b",
    r"\bfailed to inspect image\b",
    r"\bregistry credential provider\b",
    r"\b(?:sandbox|pause) image\b",
    r"\bpull qps exceeded\b",
)
# containerd and BuildKit, which has its library.
_CONTAINERD = (
    r"\bfetch anonymous token\b",
    r"\bfailed to authorize: failed to fetch oauth token\b",
    r"\bresolve (?:reference|ref) \\{0,3}[\"']?[^\s\"'\\#]{1,300}[/:.@]",
    r"\bresolve (?:source metadata for|image config)\b",
    r"\bhttpreadseeker\b",
    r"\bfailed to copy: (?:local error|write /var/lib/containerd|stream error|read tcp)",
    r"\btrying next host\b",
    r"\bmirror resolve\b",
    r"\b(?:short read: expected|failed size validation|unable to initialize unpacker)\b",
    r"\bextraction snapshot\b|\bparent snapshot\b|\bimage ref of snapshot\b",
    r"\bio\.containerd\.(?:content|snapshotter|meta)",
    r"\bfailed to create snapshot: missing parent\b",
    r"\b(?:unpack|unpacking|extract|register|fetch|apply) (?:image|layer)\b",
    r"\bprocessor for application/\S{1,9}(?:oci|docker)|application/vnd\.(?:oci\.image|docker\.(?:distribution|image))",
    r"\bcontainerd\.types\.transfer\b",
    r"\bno match for platform in manifest\b",
    r"\bimport(?:ing)? layer\b|\bhcsshim::",
    r"\bwrong diff id\b|\bcontent digest sha256:",
)
# Docker, and clients that begin a line with their name.
_DOCKER = (
    r"\berror response from daemon: (?!no such (?:container|network|volume|service|exec)|network |conflict"
    r"|driver failed|container |cannot (?:kill|stop|restart|remove)|endpoint |bad parameter|dial unix)",
    r"^(?:ctr|docker|nerdctl|crictl|podman|skopeo|buildah)(?:\.exe)?: "
    r"(?!(?:command )?not found|no such (?:file|command)|'|permission denied|command )",
    r"\bpull access denied for\b",
    r"\bpulling from \S{1,200}/|\bpulling from host \S{1,255} failed\b",
    r"\bdocker login\b|\bdocker-credential-",
    r"\bv2 ping attempt\b",
    r"\bimage operating system\b|-based image is incompatible\b",
    r"\bcannotpull",
)
# CRI-O, Podman and Skopeo (containers/image).
_CONTAINERS_IMAGE = (
    r"\bcopying system image\b",
    r"\b(?:reading|parsing|fetching) (?:image configuration|manifest \S{1,300} (?:in|from)\b)",
    r"\b(?:reading|writing|fetching) blob\b",
    r"\binitializing source [a-z]{1,20}:",
    r"\bpinging (?:container|docker) registry\b",
    r"\badding layer with blob\b|\bapplying layer: |\bapplylayer\b|\bcommitting the finished image\b",
    r"\bsource image rejected\b",
    r"\bshort-?name (?:resolution|mode|\\{0,3}\")|\bunqualified-search registr",
    r"\bretrieve auth token\b",
    r"\btrying to pull \S{1,300}[/:]",
)
# What a registry is asked for (the distribution API), and the codes with which it answers.
_DISTRIBUTION = (
    r"/v2/[^\s\"'?]{1,600}/(?:manifests|blobs|tags|referrers)/",
    r"https?://[^\s/\"'?]{1,255}/v2/?(?:\\{0,3}[\"']|[:,;)\]\s]|$)",
    r"[?&]scope=repository(?::|%3a)|[?&]service=[^\s&\"']{0,200}registry",
    r"/oauth2/exchange\b",
    r"\bmanifest[ _](?:unknown|invalid)\b|\bmanifest (?:for \S{1,600} not found|tagged by)|\bmanifest list entries\b",
    r"\bno matching manifest for\b",
    r"\bname[ _]unknown\b|\brepository does not exist or may require\b",
    r"\btoomanyrequests: ",
    r"\bunauthorized: (?:authentication required|access to the requested|incorrect username|personal access token"
    r"|the login cred)",
    r"\bdenied: (?:requested access|your authorization token)",
    r"\b(?:error|code) from registry\b|\breaching registry endpoint\b|\bacr token exchange\b",
    r"\bunauthenticated pull rate limit\b|\byour pull rate limit\b|docker\.com/increase-rate-limit",
    r"\baka\.ms/acr",
)
# Hosts of registries that hold nothing but images.
_HOSTS = (
    r"\bazurecr\.(?:io|cn|us)\b|\bmcr\.microsoft\.com\b",
    r"-docker\.pkg\.dev\b|\.dkr\.ecr\.|\bpublic\.ecr\.aws\b|\b(?:gcr|ghcr|quay|nvcr)\.io\b|\bregistry\.k8s\.io\b",
    r"\b(?:docker|auth\.docker)\.io\b|\bproduction\.\w{1,20}\.docker\.com\b|\bdocker-images-prod\b",
    rf"^\\{{0,3}}[\"']?{_REFERENCE}[^\s:]{{0,200}}: ",
)
# A verb of pulling together with an image.
_VERBS = (
    r"\b(?:pull|pulls|pulling|pulled)(?: and unpack)?(?: (?:the|a|container|docker|repository|base|model)){0,3}"
    r" (?:images?\b|\\{0,3}[\"'`]?" + _REFERENCE + ")",
    r"\bimage pull (?:fail|error|progress|deadline|back)|\bpull (?:failed )?for image\b|\bimage pull: ",
    r"\bimage (?:cannot|can't|could not|can not) be pulled\b|\bimage (?:\S{1,300} )?cannot be pulled\b",
    r"\binvalid value: \\{0,3}\"" + _REFERENCE,
    r"\bpull(?:ed)? due to configured policy\b|\bimage (?:volume|instance)\b.{0,80}\bpull",
)
_SIGN = re.compile("|".join((*_KUBELET, *_CONTAINERD, *_DOCKER, *_CONTAINERS_IMAGE, *_DISTRIBUTION, *_HOSTS, *_VERBS)))
# A push has the words of a pull, and its scope ("pull,push") those of a push.
_PUSH = re.compile(r"(?<![,:/._-])\bpush(?:ing|ed)?\b")


def has_sign_of_a_pull(message: str) -> bool:
    """Whether a text of unknown origin has anything in it that only pulls have: not whether one failed."""
    text = ascii_lower(message[:MAX_TEXT])
    return _SIGN.search(text) is not None and _PUSH.search(text) is None
