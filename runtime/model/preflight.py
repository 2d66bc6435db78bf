"""Asks the model endpoints one small question each, before work is given out that would wait for them."""

from runtime.model.embeddings import LocalEmbedder, OpenAIEmbedder
from runtime.model.llm import OpenAILLM, Sampling
from runtime.tasks import open_tasks


async def preflight(llm: OpenAILLM, sampling: Sampling, embedder: OpenAIEmbedder | LocalEmbedder | None = None) -> None:
    """Returns where the endpoints answer, or fail in a way that passes.

    Raises LLMUnavailable where nobody answers, LLMRejected for a wrong key, address or model, RequestRejected for sampling
    settings that the model refuses, UsageError for a local model that can't be loaded.
    """
    async with open_tasks() as tasks:
        tasks.start_soon(llm.check, sampling)
        if embedder is not None:
            tasks.start_soon(embedder.check)
