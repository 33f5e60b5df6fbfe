"""Queued work that is no experiment: one module a kind; `engine.loop.jobs` has the table of kinds."""
