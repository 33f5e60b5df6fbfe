"""`overnight swarm …`: the collective memory from the command line, one file per group of actions."""
