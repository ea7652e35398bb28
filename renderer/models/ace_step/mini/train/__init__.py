"""How `mini`'s weights are made: stages that each read and write files, `python -m renderer.models.ace_step.mini.train`."""
