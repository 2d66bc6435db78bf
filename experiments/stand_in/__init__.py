"""The stand-in model: a scripted player, scribe and embedder behind a real OpenAI-compatible HTTP server.

It takes the place of a language model where there is no key: in the demo, in tests and under load. It decides from
the messages of a request alone and keeps nothing between requests but counters and the sequence of its faults.
"""

from experiments.stand_in.options import Options
from experiments.stand_in.server import Server, run, serve, stand_in

__all__ = ["Options", "Server", "run", "serve", "stand_in"]
