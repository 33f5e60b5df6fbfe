"""Mirrors of a session in experiment trackers: a process of their own, which follows the journal."""
