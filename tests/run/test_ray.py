"""A render on a Ray cluster of two simulated nodes: who is lost on the way, and what is told of the machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.cli.main import run as program
from renderer.errors import UsageError
from renderer.models.model_files import Residency
from renderer.models.node import NodeQuestion, node_facts
from renderer.pipeline.cluster import ClusterNode, differences
from renderer.run import ray_link
from renderer.run.events import JobProgress, PartStarted, WorkerRestarted
from renderer.run.executor import EXECUTORS, ExecutorConfig
from tests.ray_cluster import WITHOUT_RAY, simulated
from tests.run.contract import harness
from tests.run.contract.test_contract import takes

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.run.events import RunEvent

HERE = node_facts(NodeQuestion())


def test_without_the_extra_a_cluster_is_a_usage_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ray_link.importlib.util, "find_spec", lambda _: None)
    config = ExecutorConfig(settings=(harness.settings(),), log=tmp_path / "log", residency=Residency.ALONE)

    with pytest.raises(UsageError) as refused:
        EXECUTORS["ray"].make(config)
    assert "pip install 'renderer[ray]'" in refused.value.help


@pytest.mark.parametrize("command", ["render", "doctor"])
def test_the_program_says_what_to_install_for_a_cluster(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ray_link.importlib.util.find_spec
    monkeypatch.setattr(ray_link.importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "song.toml").write_text('model = "mini"\ncaption = "calm piano"\ninstrumental = true\n')

    assert program([command, "--cluster", "auto", "--device", "cpu"]) == 2
    told = capsys.readouterr()
    assert "pip install 'renderer[ray]'" in told.out + told.err


def test_machines_that_would_give_other_bytes_are_told_apart_and_ray_itself_is_not() -> None:
    other = replace(
        HERE, name="far", gpus=("NVIDIA H200",), versions={**HERE.versions, "torch": "2.0", "ray": "1"}, free_bytes=0
    )
    nodes = (ClusterNode(address="10.0.0.2", num_gpus=1, facts=other),)

    told = differences(HERE, nodes, NodeQuestion())

    assert [one.partition(": ")[2].partition(" ")[0] for one in told] == ["torch", "NVIDIA"]
    assert all(one.startswith("far (10.0.0.2)") for one in told)
    assert differences(HERE, (replace(nodes[0], facts=HERE),), NodeQuestion()) == ()


@WITHOUT_RAY
@pytest.mark.slow
def test_two_nodes_give_the_bytes_of_one_machine_while_one_of_them_is_lost_in_each_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.touch()
    plan = harness.plan_of(tmp_path, *takes(12, awaits=str(go)))
    with harness.registered():
        whole = run_on("local", tmp_path / "whole", plan)
        for stage, part in (("sketch", "pencil"), ("sound", "brush")):
            # With room for one worker each: Ray doesn't promise to spread them.
            with simulated(num_cpus=1, num_nodes=2) as cluster:
                monkeypatch.setenv("RAY_ADDRESS", cluster.address)
                lost: list[str] = []

                def lose(event: RunEvent, lost: list[str] = lost, stage: str = stage, part: str = part) -> None:
                    # No job of the stage is through before its node is lost, however long that takes.
                    if isinstance(event, PartStarted) and event.part == part and not lost:
                        go.unlink(missing_ok=True)
                    if isinstance(event, JobProgress) and event.job.stage == stage and not lost:
                        lost.append(event.job.key)
                        cluster.remove_node()
                        cluster.add_node()
                        go.touch()

                dealt = run_on("ray", tmp_path / stage, plan, lose)
            assert lost
            assert dealt.contents() == whole.contents()
            assert Counter(dealt.written) == Counter(whole.written)
            assert dealt.leftovers() == []


def run_on(executor: str, folder: Path, plan: object, listen: object = lambda _: None) -> harness.FolderSink:
    sink = harness.FolderSink(folder)
    config = ExecutorConfig(
        settings=(harness.settings(),) * 2, log=folder / "w.log", residency=Residency.ALONE, module=harness.WORKER
    )
    made = EXECUTORS[executor].make(config)
    try:
        heard = harness.run(made, plan, sink, listen=listen)  # type: ignore[arg-type]
    finally:
        made.end()
    (folder / "w.log").unlink(missing_ok=True)
    for log in folder.glob("w*.log"):
        log.unlink()
    assert heard.failed == []
    assert (heard.count(WorkerRestarted) > 0) == (executor == "ray")
    living = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    assert not [one for one in living if "renderer.run.ray_proxy" in one.cmdline()]
    return sink
