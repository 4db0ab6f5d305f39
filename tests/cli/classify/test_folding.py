"""Each pull error once: what is the same error, what is another, and which of several texts stays."""

from __future__ import annotations

from itertools import permutations
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.cli.classify.folding import folded
from checks.cli.classify.sighting import NOW, PullError, Sighting
from checks.rules.pull.errors import Classified, PullErrorCause

X, Y = "contoso.azurecr.io/x:1", "contoso.azurecr.io/y:1"
DNS, TIMEOUT = PullErrorCause.DNS, PullErrorCause.CONNECT_TIMEOUT
UNKNOWN, BACK_OFF = PullErrorCause.UNKNOWN, PullErrorCause.BACKOFF_ONLY


def one(
    cause: PullErrorCause,
    image: str = "",
    container: str = "",
    *,
    pod: str = "web-1",
    namespace: str = "prod",
    when: float = 0.0,
    about: str = "",
    node: str = "",
    message: str = "",
) -> PullError:
    seen = Sighting(
        message=message or f"{cause}", namespace=namespace, pod=pod, about=about, container=container, image=image,
        when=when, node=node,
    )  # fmt: skip
    return PullError(seen, Classified(cause, "rule", "evidence"))


def shown(*errors: PullError) -> list[tuple[str, str, str]]:
    """Cause, image and container of each answer."""
    return [(error.found.cause.value, error.seen.image, error.seen.container) for error in folded(errors)]


def test_an_event_that_repeats_is_one_error_and_the_newest_text_stays() -> None:
    (error,) = folded([one(DNS, X, when=1, message="old"), one(DNS, X, when=3, message="new"), one(DNS, X, when=2)])

    assert error.seen.message == "new"


def test_all_that_is_told_of_one_pull_is_one_error_in_whatever_order_it_is_told() -> None:
    told = (
        one(DNS, X, "", when=10),  # Failed to pull image "x"
        one(BACK_OFF, "", "web", when=11),  # Error: ErrImagePull
        one(BACK_OFF, X, "", when=12),  # Back-off pulling image "x"
        one(BACK_OFF, X, "web", when=NOW),  # the container's status
        one(UNKNOWN, X, "", when=13),
    )
    for order in permutations(told):
        assert shown(*order) == [("dns", X, "web")]


def test_two_containers_of_one_image_that_both_show_the_cause_are_two_errors() -> None:
    assert shown(one(DNS, X, "web"), one(DNS, X, "side")) == [("dns", X, "web"), ("dns", X, "side")]


def test_a_container_that_shows_only_a_back_off_shares_the_error_of_its_image() -> None:
    assert shown(one(DNS, X, "web"), one(BACK_OFF, X, "side")) == [("dns", X, "web")]


def test_two_images_of_one_pod_are_two_errors() -> None:
    assert shown(one(DNS, X, "web"), one(DNS, Y, "side")) == [("dns", X, "web"), ("dns", Y, "side")]
    assert shown(one(DNS, X), one(BACK_OFF, Y)) == [("dns", X, ""), ("backoff_only", Y, "")]
    assert shown(one(BACK_OFF, X), one(BACK_OFF, Y)) == [("backoff_only", X, ""), ("backoff_only", Y, "")]


def test_a_container_whose_image_is_told_elsewhere_is_no_other_containers() -> None:
    """The event about "side" names no image; the status does."""
    told = (one(DNS, X, "web"), one(BACK_OFF, "", "side"), one(BACK_OFF, Y, "side"))

    assert shown(*told) == [("dns", X, "web"), ("backoff_only", Y, "side")]


def test_two_causes_of_one_image_are_two_errors_the_newest_first() -> None:
    told = (one(DNS, X, "web", when=1), one(TIMEOUT, X, "web", when=2), one(BACK_OFF, X, "web", when=NOW))
    for order in permutations(told):
        assert shown(*order) == [("connect_timeout", X, "web"), ("dns", X, "web")]


def test_ages_order_as_times_do() -> None:
    assert [cause for cause, _, _ in shown(one(DNS, X, when=-7200), one(TIMEOUT, X, when=-60))] == [
        "connect_timeout",
        "dns",
    ]


def test_an_unknown_text_stays_where_nothing_says_more() -> None:
    assert shown(one(BACK_OFF, X, "web"), one(UNKNOWN, X)) == [("unknown", X, "web")]


def test_one_image_in_two_spellings_is_one() -> None:
    assert len(shown(one(DNS, "nginx"), one(DNS, "docker.io/library/nginx:latest"))) == 1


def test_other_pods_and_pods_of_other_namespaces_are_other_errors() -> None:
    told = (one(DNS, X), one(DNS, X, pod="web-2"), one(DNS, X, namespace="test"))

    assert len(folded(told)) == 3


def test_a_pod_without_its_namespace_is_the_one_of_that_name() -> None:
    assert [error.seen.namespace for error in folded([one(BACK_OFF, namespace=""), one(DNS, X)])] == ["prod"]


def test_a_pod_without_its_namespace_is_itself_where_two_have_its_name() -> None:
    told = (one(DNS, X, namespace=""), one(DNS, X), one(DNS, X, namespace="test"))

    assert sorted(error.seen.namespace for error in folded(told)) == ["", "prod", "test"]


def test_what_is_no_pod_is_kept_apart_from_pods_and_from_each_other() -> None:
    policy = PullErrorCause.POLICY
    told = [one(policy, pod="", about=f"ReplicaSet/web-{n}") for n in (1, 1, 2)]

    assert [error.seen.about for error in folded(told)] == ["ReplicaSet/web-1", "ReplicaSet/web-2"]


def test_names_that_the_text_which_stays_lacks_are_taken_from_the_others() -> None:
    (error,) = folded([one(DNS, "", "", when=5), one(BACK_OFF, X, "web", node="aks-np-0")])

    assert (error.seen.image, error.seen.container, error.seen.node) == (X, "web", "aks-np-0")


def test_errors_stand_in_the_order_of_their_pods() -> None:
    told = (one(BACK_OFF, X, pod="b"), one(DNS, X, pod="a"), one(DNS, X, pod="b"))

    assert [error.seen.pod for error in folded(told)] == ["b", "a"]


def nobody(cause: PullErrorCause, image: str = "", message: str = "") -> PullError:
    return one(cause, image, pod="", namespace="", message=message)


def test_texts_without_a_pod_are_one_error_where_they_name_the_same_image_or_are_the_same() -> None:
    told = (nobody(DNS, X), nobody(DNS, X, "other words"), nobody(DNS, Y), nobody(DNS, "", "a"), nobody(DNS, "", "b"))

    assert [error.seen.image for error in folded([*told, nobody(DNS, "", "a")])] == [X, Y, "", ""]


def test_a_back_off_without_any_name_says_nothing_beside_an_error() -> None:
    assert shown(nobody(BACK_OFF), nobody(DNS, X)) == [("dns", X, "")]
    assert shown(nobody(BACK_OFF), nobody(DNS, "", "text")) == [("dns", "", "")]
    assert shown(nobody(BACK_OFF), nobody(BACK_OFF)) == [("backoff_only", "", "")]


def test_a_log_line_about_an_image_is_the_error_of_the_pod_that_waits_for_it() -> None:
    assert [error.seen.pod for error in folded([nobody(DNS, X), one(DNS, X), one(DNS, X, pod="web-2")])] == [
        "web-1",
        "web-2",
    ]
    assert shown(nobody(UNKNOWN, X), one(DNS, X)) == [("dns", X, "")]


def test_a_log_line_that_says_more_than_any_pod_stays() -> None:
    assert shown(nobody(DNS, X), one(BACK_OFF, X)) == [("backoff_only", X, ""), ("dns", X, "")]
    assert shown(nobody(TIMEOUT, X), one(DNS, X)) == [("dns", X, ""), ("connect_timeout", X, "")]


causes = st.sampled_from([DNS, TIMEOUT, UNKNOWN, BACK_OFF])
names = st.sampled_from(["", "a", "b"])
errors = st.builds(
    one, causes, st.sampled_from(["", X, Y]), names, pod=names, namespace=names, when=st.sampled_from([-1.0, 0.0, NOW])
)


@given(st.lists(errors, max_size=14))
def test_no_cause_is_lost_none_is_made_up_and_folding_again_changes_nothing(given_errors: list[PullError]) -> None:
    """Of each pod, every known cause that was told is answered."""
    answered = folded(given_errors)

    def settled(of: tuple[PullError, ...]) -> set[tuple[str, str]]:
        return {(error.seen.pod, error.found.cause.value) for error in of if error.found.cause in (DNS, TIMEOUT)}

    lost = settled(tuple(given_errors)) - settled(answered)
    assert all(pod == "" for pod, _ in lost), "only what names no pod goes into the error of another"
    assert settled(answered) <= settled(tuple(given_errors))
    assert len(answered) <= len(given_errors)
    assert bool(answered) == bool(given_errors)
    assert len(folded(answered)) <= len(answered)
    assert len(folded(answered + answered)) == len(folded(answered))


@pytest.mark.parametrize("names_a_pod", [True, False])
def test_thirty_thousand_errors_of_one_pod_or_of_none_take_seconds(*, names_a_pod: bool) -> None:
    pod = "web-1" if names_a_pod else ""
    many = [one(DNS, f"contoso.azurecr.io/x:{n}", f"c{n}", pod=pod, message=f"{n}") for n in range(30_000)]
    began = process_time()
    assert len(folded(many)) == 30_000
    assert process_time() - began < 10
