"""The nodes of a cluster, how they differ from the machine that plans, and what of it could change a take's bytes."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import RendererError, ResourceError
from renderer.json_values import from_json, to_json
from renderer.models.catalog.doctor import CheckResult
from renderer.models.node import NodeFacts, NodeQuestion, node_facts
from renderer.pipeline.models import pick_settings, planned_models
from renderer.pipeline.options import Options
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.run.ray_link import require_ray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.models.model_files import ModelFiles
    from renderer.pipeline.models import Workers
    from renderer.song import Variant

NO_BYTES = frozenset({"ray"})
"""Libraries whose version changes no take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """A node, as it answers."""

    address: str
    num_gpus: int
    """That it offers."""
    facts: NodeFacts | None
    fault: str = ""
    """Why it tells nothing."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.facts.name} ({self.address})" if self.facts else self.address


def survey(address: str, question: NodeQuestion) -> tuple[ClusterNode, ...]:
    """Ask every node.

    Raises: UsageError without Ray, ResourceError where no cluster answers.
    """
    require_ray()
    ran = subprocess.run(
        python("-m", "renderer.run.ray_survey", address),
        input=json.dumps(to_json(question)),
        capture_output=True,
        text=True,
        cwd=SAFE_FOLDER,
        env=inherited(),
        check=False,
    )
    try:
        found = json.loads(ran.stdout)
    except ValueError:
        why = ran.stderr.strip().rpartition("\n")[2]
        raise ResourceError(f"the cluster at `{address}` can't be asked", why=why) from None
    if isinstance(found, dict):
        raise ResourceError(found["message"], why=found["why"], help=found["help"])
    return tuple(_node(one) for one in found)


def _node(record: dict[str, object]) -> ClusterNode:
    facts = record["facts"]
    fault = str(facts["fault"]) if isinstance(facts, dict) and "fault" in facts else ""
    return ClusterNode(
        address=str(record["address"]),
        num_gpus=int(float(str(record["offered"]))),
        facts=None if fault else from_json(NodeFacts, facts),
        fault=fault,
    )


def differences(here: NodeFacts, nodes: Sequence[ClusterNode], question: NodeQuestion) -> tuple[str, ...]:
    """What of the nodes could give takes other bytes than this machine would, in words."""
    return tuple(f"{node.name}: {one}" for node in nodes for one in _differences(here, node, question))


def _differences(here: NodeFacts, node: ClusterNode, question: NodeQuestion) -> Iterator[str]:
    if node.facts is None:
        yield node.fault
        return
    there = node.facts
    if there.machine != here.machine:
        yield f"{there.machine}, here {here.machine}"
    for name, version in here.versions.items():
        if name not in NO_BYTES and there.versions.get(name) != version:
            yield f"{name} {there.versions.get(name)}, here {version}"
    if set(there.gpus) != set(here.gpus):
        yield f"{', '.join(sorted(set(there.gpus))) or 'no GPU'}, here {', '.join(sorted(set(here.gpus))) or 'none'}"
    for files, weights, own in zip(question.files, there.weights, here.weights, strict=True):
        yield from (
            f"the {part} of `{files.name}` is {'another' if part in weights else 'not there'}"
            for part, digest in own.items()
            if weights.get(part) != digest
        )


def refuse_differences(address: str, question: NodeQuestion, *, mixed: bool) -> tuple[str, ...]:
    """Look at every node before a run; gives the differences that are put up with.

    Raises: ResourceError where there are some, unless they may be `mixed`.
    """
    found = differences(node_facts(question), survey(address, question), question)
    if found and not mixed:
        raise ResourceError(
            "the cluster's machines would give takes other bytes than this one",
            why="; ".join(found),
            help="make them equal (renderer doctor --cluster shows all), or take them as they are with --mixed",
        )
    return found


def examine_cluster(address: str, variants: Sequence[Variant]) -> Iterator[CheckResult]:
    """What every node has, and where it differs from this machine; of the models, those that specs name.

    Raises: see `survey`.
    """
    question = NodeQuestion(files=tuple(_files_of(variants)), folder=str(Path.cwd()))
    here, nodes = node_facts(question), survey(address, question)
    yield CheckResult(what="here", state="fine", detail=_words(here))
    for node in nodes:
        told = _words(node.facts) if node.facts else node.fault
        found = tuple(_differences(here, node, question))
        state = "fine" if not found else "warning" if node.facts else "broken"
        advice = f"differs in bytes: {'; '.join(found)}" if found and node.facts else ""
        yield CheckResult(what=node.address, state=state, detail=told, help=advice)


def _words(facts: NodeFacts) -> str:
    libraries = ", ".join(f"{name} {facts.versions.get(name)}" for name in ("renderer", "torch", "ray"))
    gpus = ", ".join(f"{number} × {name}" for name, number in sorted(Counter(facts.gpus).items())) or "no GPU"
    driver = f", driver {facts.driver}" if facts.driver else ""
    free = f"{facts.free_bytes / 1e9:.1f} GB free"
    return f"{facts.name}: Python {facts.python}, {libraries}, {gpus}{driver}, {free}"


def _files_of(variants: Sequence[Variant]) -> Iterator[ModelFiles]:
    model_of = planned_models(pick_settings(Options(device="cpu")))
    seen: set[ModelFiles] = set()
    for variant in variants:
        # What can't be planned here is told by `doctor` without a cluster.
        with suppress(RendererError):
            files = model_of(variant).files.absolute()
            if files not in seen:
                seen.add(files)
                yield files


def on_cluster(picked: Workers, options: Options) -> Workers:
    """A worker for each GPU that the nodes offer; where this machine would take its CPU, as many as asked or nodes.

    Raises: see `survey`; ResourceError where none is offered.
    """
    nodes = survey(options.cluster or "auto", NodeQuestion())
    one = picked.settings[0]
    if not one.device.startswith("cuda"):
        return replace(picked, settings=(one,) * (options.workers or len(nodes)))
    num_gpus = sum(node.num_gpus for node in nodes)
    if not num_gpus:
        raise ResourceError(
            "the cluster offers no GPU", why=f"{len(nodes)} nodes", help="`ray start --num-gpus`, or --device cpu"
        )
    offering = [node.facts for node in nodes if node.facts and node.num_gpus]
    return replace(
        picked,
        # Each actor sees the one GPU that Ray gives it.
        settings=(replace(one, device="cuda:0"),) * num_gpus,
        gpus=tuple(sorted({name for facts in offering for name in facts.gpus})),
        drivers=tuple(sorted({facts.driver for facts in offering if facts.driver})),
    )
