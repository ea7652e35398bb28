"""`python -m renderer`."""

from renderer.cli.main import main

main()
