"""Asks every node of a Ray cluster what it has; `python -m renderer.run.ray_survey ADDRESS`, the question on its input.

One JSON document comes out: a list of what nodes offer and tell, or an error in words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from renderer.errors import RendererError
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.run.ray_link import connect

ANSWER_SECONDS = 1800.0
"""For hashing 30 GB of weights that were never hashed there, over a network."""


def ask_here(question: str) -> str:
    """The answer of the node that this runs on, all of its GPUs in sight: Ray hides those that weren't asked for."""
    environment = {name: value for name, value in inherited().items() if name != "CUDA_VISIBLE_DEVICES"}
    command = python("-m", "renderer.models.node")
    ran = subprocess.run(
        command, input=question, capture_output=True, text=True, cwd=SAFE_FOLDER, env=environment, check=False
    )
    return ran.stdout if ran.returncode == 0 else json.dumps({"fault": ran.stderr.strip().rpartition("\n")[2]})


def main() -> None:
    """Ask, and tell."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    question = sys.stdin.read()
    try:
        connect(sys.argv[1])
        found: Any = [_answer(node, answer) for node, answer in _asked(question)]
    except RendererError as error:
        found = {"message": error.message, "why": error.why, "help": error.help}
    answers.write(json.dumps(found))
    answers.flush()
    os._exit(0)


def _asked(question: str) -> list[tuple[dict[str, Any], Any]]:
    """Every node that lives, with its answer on the way: all at once."""
    ask: Any = ray.remote(num_cpus=0, max_retries=0)(ask_here)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    where = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    return [(n, ask.options(scheduling_strategy=at).remote(question)) for n, at in zip(nodes, where, strict=True)]


def _answer(node: dict[str, Any], answer: Any) -> dict[str, Any]:
    told = {"address": node["NodeManagerAddress"], "offered": node["Resources"].get("GPU", 0)}
    try:
        return {**told, "facts": json.loads(ray.get(answer, timeout=ANSWER_SECONDS))}
    except (ray.exceptions.RayError, ValueError) as error:
        return {**told, "facts": {"fault": f"it gives no answer: {type(error).__name__}"}}


if __name__ == "__main__":
    main()
