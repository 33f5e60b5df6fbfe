"""What touches the world: git, benchmark, leash."""
