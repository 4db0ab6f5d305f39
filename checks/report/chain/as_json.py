"""Chains as the plain data that the command line answers with.

``{"chains":[{"cluster","registry","headline","verdict","cause","basis":[…],"steps":[{"step","verdict","sentence",
"cause","codes","reached","findings":[{…finding,"counts","note"}],"fix"}],"fix","disagreements","only_asked_for"}]}``;
verdicts and findings are as in a scan's answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from checks.report.chain.model import Chain, ChainLink, WeighedFinding
from checks.report.formats.as_json import finding_answer, judged


def chains_answer(chains: Iterable[Chain]) -> dict[str, Any]:
    """Several chains, in their order."""
    return {"chains": [_chain(chain) for chain in chains]}


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "cluster": chain.cluster,
        "registry": chain.registry,
        "headline": chain.headline,
        **judged(chain.answer.verdict),
        "cause": chain.answer.cause,
        "basis": list(chain.basis),
        "steps": [_step(link) for link in chain.links],
        "fix": list(chain.fix),
        "disagreements": list(chain.disagreements),
        "only_asked_for": chain.only_asked_for,
    }


def _step(link: ChainLink) -> dict[str, Any]:
    return {
        "step": link.step.value,
        **judged(link.verdict),
        "sentence": link.sentence,
        "cause": link.cause,
        "codes": list(link.codes),
        "reached": link.reached,
        "findings": [_finding(one) for one in link.findings],
        "fix": list(link.fix),
    }


def _finding(one: WeighedFinding) -> dict[str, Any]:
    return {**msgspec.to_builtins(finding_answer(one.finding)), "counts": one.counts, "note": one.note}
