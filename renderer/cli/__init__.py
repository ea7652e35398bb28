"""The command line: one module a command, a few lines each over the library."""
