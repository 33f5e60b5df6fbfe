"""The hub: a swarm's store behind HTTP, for members on many machines."""
