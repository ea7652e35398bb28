"""The worker, with the toy family beside the others; `python -m tests.run.contract.worker`."""

from __future__ import annotations

from renderer.run import worker
from tests.run.contract import harness

if __name__ == "__main__":
    harness.register()
    worker.main()
