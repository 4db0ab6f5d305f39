"""Image volumes (``spec.volumes[].image``): images that nodes pull for a pod beside those of its containers.

Kubelet pulls them before it starts the containers that mount them, and reports their errors in the status of those
containers (kubernetes/pkg/kubelet/kuberuntime: getImageVolumes, toKubeContainerImageVolumes). So the text alone shows
whose error it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.rules import images

KIND = "volume"


def failed_image(text: str, own: str, volumes: Iterable[str]) -> str:
    """The image that a container's pull error is about: its ``own``, or one of the pod's image ``volumes``.

    The longest one that the text names, for one reference may begin with another; its own where it names none.
    """
    return max((own, *volumes), key=lambda image: _named_length(text, image))


def _named_length(text: str, image: str) -> int:
    """How long the form is by which the text names the image (as the pod writes it, or in full); 0 for none."""
    parsed = images.parse(image)
    forms = (image, images.canonical(parsed)) if parsed else (image,)
    return max((len(form) for form in forms if form in text), default=0)
