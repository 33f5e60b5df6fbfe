"""The swarm: a memory that many sessions share, embedded in one machine or behind a hub."""
