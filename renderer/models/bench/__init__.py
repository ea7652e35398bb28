"""How fast a machine is with models on its disk: parts loaded and stages run for real, in processes of their own."""
