"""Whose error a pull error is, where a pod has image volumes beside the images of its containers."""

import pytest

from checks.rules.pull.image_volumes import failed_image

OWN, MODEL = "acrone.azurecr.io/team/app:1", "acrtwo.azurecr.io/models/llm:1"


@pytest.mark.parametrize(
    ("text", "own", "volumes", "expected"),
    [
        (f'Back-off pulling image "{MODEL}": ErrImagePull: unexpected status', OWN, [MODEL], MODEL),
        (f'Back-off pulling image "{OWN}": ErrImagePull: unexpected status', OWN, [MODEL], OWN),
        (f'failed to pull and unpack image "{MODEL}": 401 Unauthorized', OWN, ["quay.io/x:1", MODEL], MODEL),
        # A text that names no image, and none at all.
        ("context deadline exceeded", OWN, [MODEL], OWN),
        ("", OWN, [MODEL], OWN),
        # One reference begins with the other.
        (f'Back-off pulling image "{OWN}0"', OWN, [f"{OWN}0"], f"{OWN}0"),
        (f'Back-off pulling image "{OWN}0"', f"{OWN}0", [OWN], f"{OWN}0"),
        # containerd writes references in full.
        ('failed to pull and unpack image "docker.io/library/models:latest": not found', OWN, ["models"], "models"),
        ('failed to pull and unpack image "docker.io/library/web:latest": not found', "web", [MODEL], "web"),
        # Both name one image: it is the container's own too.
        (f'Back-off pulling image "{OWN}"', OWN, [OWN], OWN),
        # A reference that kubelet refuses is named as it stands.
        ('Failed to apply default image tag "acr.io/Bad:1": couldn\'t parse', OWN, ["acr.io/Bad:1"], "acr.io/Bad:1"),
    ],
)
def test_the_failed_image_is_the_one_that_the_text_names(
    text: str, own: str, volumes: list[str], expected: str
) -> None:
    assert failed_image(text, own, volumes) == expected
