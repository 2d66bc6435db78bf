"""Procedural memory: build, retrieve, update."""
