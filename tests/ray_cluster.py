"""A Ray cluster of simulated nodes in a process of its own, for tests: `python -m tests.ray_cluster CPUS NODES`.

It says its address, takes a node away for each `remove` that it reads, adds one for each `add`, and ends with its
standard input.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.processes import SAFE_FOLDER, inherited
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WITHOUT_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray isn't installed: renderer[ray]")
_STORE_BYTES = 80 << 20  # as little as Ray takes: nothing of ours stays there


@dataclass(frozen=True)
class Simulated:
    """A cluster that runs."""

    address: str
    process: subprocess.Popen[str]

    @property
    def pids(self) -> set[psutil.Process]:
        """Ray's own processes, and those that it started."""
        above = psutil.Process(self.process.pid)
        return {above, *above.children(recursive=True)}

    def remove_node(self) -> None:
        """Kill the last node that was added, with everything on it."""
        self._have_done("remove")

    def add_node(self) -> None:
        """One more, like the others."""
        self._have_done("add")

    def _have_done(self, what: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{what}\n"


@contextmanager
def simulated(num_cpus: int, num_nodes: int, environment: Mapping[str, str] | None = None) -> Iterator[Simulated]:
    """A cluster of so many nodes with so many workers each, in these variables; nothing of it is left after."""
    with (
        tempfile.TemporaryDirectory(prefix="ray") as folder,
        subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster", str(num_cpus), str(num_nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=SAFE_FOLDER,
            env=dict(environment or inherited())
            | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder, "OMP_NUM_THREADS": "1"},
        ) as process,
    ):
        cluster = Simulated(process=process, address=_said(process))
        try:
            yield cluster
        finally:
            ours = cluster.pids
            process.communicate(timeout=PATIENCE_SECONDS)
            # Agents of a node that was killed look for it now and then only.
            _, alive = psutil.wait_procs(ours, timeout=2)
            for left in alive:
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            assert not psutil.wait_procs(alive, timeout=PATIENCE_SECONDS)[1]


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    address = process.stdout.readline().strip()
    assert address, "the cluster didn't start"
    return address


def main() -> None:
    from ray.cluster_utils import Cluster

    num_cpus, num_nodes = map(int, sys.argv[1:])
    says = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cluster = Cluster()
    node = {"num_cpus": num_cpus, "num_gpus": 0, "object_store_memory": _STORE_BYTES}
    nodes = [cluster.add_node(**node, include_dashboard=False)]
    nodes += [cluster.add_node(**node) for _ in range(num_nodes - 1)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    says.write(f"{cluster.address}\n")
    says.flush()
    for what in map(str.strip, sys.stdin):
        if what == "add":
            nodes.append(cluster.add_node(**node))
        else:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        says.write(f"{what}\n")
        says.flush()
    # Not `cluster.shutdown`, which waits for drivers that are gone.
    for node in (*nodes[1:], nodes[0]):
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    os._exit(0)


if __name__ == "__main__":
    main()
