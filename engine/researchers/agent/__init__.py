"""Coding agents as researchers: a command-line program, asked once per experiment, in a work tree of its own."""

from engine.researchers.agent.agent import Agent

__all__ = ["Agent"]
