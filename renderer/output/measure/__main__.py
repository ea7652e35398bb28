"""The measuring process: `python -m renderer.output.measure FOLDER`."""

import sys
from pathlib import Path

from renderer.output.measure.process import main

main(Path(sys.argv[1]))
