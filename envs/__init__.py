"""Environments, and the pool of processes that they run in."""
