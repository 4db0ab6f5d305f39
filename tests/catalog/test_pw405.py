"""PW405: pools whose hardware slows the unpacking of images."""

from typing import Any

import pytest

from checks.catalog.pw405_node_hardware import judge
from checks.findings import Severity
from tests.support import access_facts as base
from tests.support.access_facts import only, verdict


def judged(**pool: Any) -> Any:
    return only(judge(base.facts(cluster=base.cluster(pools=(base.pool(**pool),)))))


@pytest.mark.parametrize(
    "pool",
    [
        {"vm_size": "Standard_D4s_v5", "os_disk_type": "Managed", "os_disk_size_gb": 128},
        {"vm_size": "Standard_D8ds_v5", "os_disk_type": "Ephemeral", "os_disk_size_gb": 64},
        {"vm_size": "Standard_D4s_v5", "os_disk_type": "Managed", "os_disk_size_gb": 0},
        {"vm_size": "Standard_NC24ads_A100_v4"},
        {"vm_size": None, "os_disk_type": "Ephemeral"},
        {"vm_size": "Standard_E16-4ds_v5"},
    ],
)
def test_pass_for_nodes_that_are_large_enough(pool: dict[str, Any]) -> None:
    assert verdict(judged(**pool)) == ("pass", "hardware-fine")


@pytest.mark.parametrize(
    ("pool", "cause"),
    [
        ({"vm_size": "Standard_D2s_v5"}, "small-size"),
        ({"vm_size": "Standard_B2ms"}, "small-size"),
        ({"vm_size": "Standard_E16-2ds_v5"}, "small-size"),
        ({"vm_size": "Standard_DS2_v2"}, "small-size"),
        ({"vm_size": "Standard_B8ms"}, "burstable-size"),
        ({"vm_size": "Standard_B4pls_v2"}, "burstable-size"),
        ({"vm_size": "Standard_D8s_v5", "os_disk_type": "Managed", "os_disk_size_gb": 64}, "small-disk"),
        (
            {"vm_size": "Standard_D2s_v5", "os_disk_type": "managed", "os_disk_size_gb": 30},
            "small-size-and-small-disk",
        ),
    ],
)
def test_fail_only_warns_of_small_hardware(pool: dict[str, Any], cause: str) -> None:
    finding = judged(**pool)
    assert (verdict(finding), finding.severity) == (("fail", cause), Severity.WARNING)


def test_unknown_hardware_is_skipped_for_it_is_no_reason_to_worry() -> None:
    assert verdict(judged(vm_size=None)) == ("skipped", "hardware-not-told")
    assert verdict(judged(vm_size="odd")) == ("skipped", "hardware-not-told")


def test_nothing_there_without_pools_that_have_nodes() -> None:
    assert verdict(only(judge(base.facts(cluster=base.cluster(pools=()))))) == ("skipped", "no-nodes")
    empty = base.cluster(pools=(base.pool(count=0), base.pool("two", power_state="Stopped")))
    assert verdict(only(judge(base.facts(cluster=empty)))) == ("skipped", "no-nodes")
