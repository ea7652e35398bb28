"""`renderer` and `python -m renderer`."""

import os
import sys

from renderer.processes import absolute_entries, module_folders

# Before anything else is imported: `-m`, or an odd `PYTHONPATH`, puts the folder that we are started in first.
sys.path[:] = module_folders()
os.environ["PATH"] = absolute_entries(os.environ.get("PATH", os.defpath))


def main() -> None:
    """Run the command line; see `renderer.cli.main.main`."""
    from renderer.cli.main import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
