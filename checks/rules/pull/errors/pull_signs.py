"""What only texts about pulls have: a step of a pull, an image, a registry and how it is asked.

The words of the error alone ("connection refused", "401 Unauthorized") are those of every application's log.
"""

from __future__ import annotations

import re

from checks.rules.pull.errors.unwrap import MAX_TEXT, ascii_lower

# The steps of a pull, and who takes them.
_STEPS = (
    *(
        r"\bpull",
        r"image_?pull",
        r"\berrimage",
        r"\bfetch (?:oauth |anonymous )?token",
        r"\bresolve (?:reference|ref|image)\b",
    ),
    *(r"\bunpack", r"\bcopying system image", r"\breading manifest", r"\bwriting blob", r"\bregister layer"),
    *(r"\bfrom daemon\b", r"^(?:ctr|docker|nerdctl|crictl|podman|skopeo|buildah): ", r"\bcontainerd\b", r"\bkubelet\b"),
    *(r"docker-credential-", r"\bcredential provider", r"\bhcsshim::", r"\bmirror resolve\b", r"\bimage-spec\b"),
)
_SAID_OF_STEPS = (
    *(
        r"\bcannotpull",
        r"\bfailed to copy: ",
        r"\bhttpreadseeker\b",
        r"\btrying next host\b",
        r"\bshort-name resolution\b",
    ),
    *(
        r"\bshort read: expected\b",
        r"\bfailed size validation\b",
        r"\bretrieve auth token\b",
        r"\bunable to initialize unpacker",
    ),
)
# What is pulled, and the parts of it.
_THINGS = (
    *(
        r"\bsha256:",
        r"\bmanifests?\b",
        r"\bmanifest[_ ](?:unknown|invalid)",
        r"\bimage layers?\b",
        r"\blayer \(",
        r"\bsnapshot",
    ),
    *(
        r"\bmedia ?type\b",
        r"\bschema ?(?:version )?1\b",
        r"\bimage (?:reference|index|tag|name|platform|instance|volume)\b",
    ),
    *(
        r"\bimage \\{0,3}[\"']",
        r"\b(?:invalid|container|sandbox|pause) image\b",
        r"\breference (?:format|\\{0,3}[\"'])",
    ),
    *(r"\bimage operating system\b", r"-based image\b", r"\bno match for platform\b", r"\bexec format error\b"),
    # An image's name, with its tag or digest.
    r"(?<![\w/:.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?/[a-z0-9._/-]{1,255}(?::[\w.-]{1,128}|@sha)",
)
# Registries and what they say of themselves.
_REGISTRIES = (
    *(
        r"/v2/",
        r"/oauth2/(?:token|exchange)",
        r"\bregistr(?:y|ies)\b",
        r"\brepository (?:name|does|\S{1,200} not)",
        r"aka\.ms/acr",
    ),
    *(
        r"\bazurecr\.(?:io|cn|us)\b",
        r"\bpkg\.dev\b",
        r"\.dkr\.ecr\.",
        r"\bpublic\.ecr\.aws\b",
        r"\bdocker\.(?:io|com)\b",
    ),
    *(r"\b(?:gcr|ghcr|quay|nvcr)\.io\b", r"\bmcr\.microsoft\.com\b", r"\bregistry[a-z0-9-]{0,40}\.[a-z0-9]"),
    *(
        r"\btoomanyrequests\b",
        r"\bunauthorized: (?:authentication required|access to the requested|incorrect username)",
    ),
    *(
        r"\bunauthorized: (?:personal access token|the login cred)",
        r"\bdenied: (?:requested access|your authorization token)",
    ),
    *(r"\bdocker-images-prod\b", r"\baws ecr\b", r"\bcontainers\.types\.transfer\b"),
    *(r"[a-z0-9-]registry\.[a-z0-9]", r"\bdocker login\b", r"\bbilling account\b"),
)
_SIGN = re.compile("|".join((*_STEPS, *_SAID_OF_STEPS, *_THINGS, *_REGISTRIES)))


def has_sign_of_a_pull(message: str) -> bool:
    """Whether a text of unknown origin has anything in it that only pulls have: not whether one failed."""
    return _SIGN.search(ascii_lower(message[:MAX_TEXT])) is not None
