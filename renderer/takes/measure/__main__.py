"""The measuring process: `python -m renderer.takes.measure FOLDER UNFINISHED`."""

import sys
from pathlib import Path

from renderer.takes.measure.process import main

main(Path(sys.argv[1]), Path(sys.argv[2]))
