"""The variables of real processes under a benchmark."""

import os
from pathlib import Path

from bench import harness

OWN = ("MEMP_", "OPENAI_", "EMBEDDING_", "REDIS_URL", "ALFWORLD_DATA")


def surroundings(url: str, model_url: str, data: Path, **settings: str) -> dict[str, str]:
    """A server, a model that also embeds, and further settings; those of whoever started this stay out."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN)} | {
        "REDIS_URL": url,
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API_KEY": harness.KEY,
        "MEMP_EMBEDDING_MODEL": "stand-in-embedding",
        "MEMP_DATA_DIR": str(data),
        "MEMP_ENV_PROCESSES": "1",
        **settings,
    }
