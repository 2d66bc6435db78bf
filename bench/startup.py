"""How long a worker needs from its start to the first step of an episode, with and without what it keeps on disk.

    uv run python -m bench.startup [--repeat 5] [--out FILE]

cold   an empty cache: the game is translated, the planner's library made ready
warm   the same folder again
stock  TextWorld's own engine, which keeps nothing

`memp --help` stands beside them: what any Python program of this size needs to start. Wall time on an idle machine; CPU
counts the worker and its environment processes.
"""

import argparse
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from anyio import run_process

from bench import harness
from bench.report import median, save, show
from bench.walkthroughs import Walkthroughs
from runtime.bus.namespace import open_namespace
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.logs import configure_logs
from runtime.server import connect, open_server


@dataclass
class Bench:
    """What all starts share."""

    settings: Settings
    plays: Walkthroughs
    client: Client
    redis_url: str
    folder: Path
    starts: int = 0

    async def start(self, engine: str, data: Path) -> dict[str, float]:
        """One worker from its start to the end of its only episode, the seconds that it took, and its CPU seconds."""
        self.starts += 1
        name = f"startup-{self.starts}"
        namespace = await open_namespace(self.client, name)
        await namespace.submit_tasks(self.plays.tasks(1, namespace.epoch))
        async with harness.model_server(self.plays.write(self.folder / "answers.json"), 0) as model:
            began = harness.now()
            async with harness.worker(name, self.folder / f"{name}.log", self._environment(model, engine, data)) as process:

                async def stepped() -> bool:
                    return len(model.stats()["first"]) >= 2

                await harness.until(stepped, 120, period=0.02)
                used = harness.used(process)
                asked, stepped_at = model.stats()["first"][:2]
        return {"to the first request": asked - began, "to the first step": stepped_at - began, "CPU": used.own + used.children}

    def _environment(self, model: harness.ModelServer, engine: str, data: Path) -> dict[str, str]:
        return {
            "REDIS_URL": self.redis_url,
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": harness.KEY,
            "ALFWORLD_DATA": str(self.settings.alfworld_data),
            "MEMP_DATA_DIR": str(data),
            "MEMP_ENGINE": engine,
        }


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Bench]:
    """A server of its own and a few games."""
    settings, plays, _ = harness.games(Settings(data_dir=folder / "data"), folder, 6)
    async with open_server(settings.model_copy(update={"redis_url": None})) as server, connect(server.url) as client:
        yield Bench(settings, plays, client, server.url, folder)


async def bare() -> dict[str, float]:
    """The command line alone."""
    began = harness.now()
    await run_process([sys.executable, "-m", "bin.memp", "--help"])
    return {"to the first request": float("nan"), "to the first step": harness.now() - began, "CPU": float("nan")}


async def main(repeat: int, out: Path | None) -> None:
    """Start workers, each kind in turn so that none has the quieter minutes to itself."""
    configure_logs("error")
    found: dict[str, list[dict[str, float]]] = {"stock": [], "cold": [], "warm": [], "memp --help": []}
    with TemporaryDirectory() as temporary:
        async with opened(Path(temporary)) as bench:
            for number in range(repeat):
                data = bench.folder / f"data-{number}"
                found["stock"].append(await bench.start("stock", data))
                found["cold"].append(await bench.start("fast", data))
                found["warm"].append(await bench.start("fast", data))
                found["memp --help"].append(await bare())
    rows = [_row(name, runs, found["stock"]) for name, runs in found.items()]
    show(f"seconds from a worker's start, median of {repeat}", rows)
    save("startup", {"rows": rows, "runs": found}, out)


def _row(name: str, runs: list[dict[str, float]], stock: list[dict[str, float]]) -> dict[str, Any]:
    medians = {field: median([run[field] for run in runs]) for field in runs[0]}
    least = median([run["to the first step"] for run in stock])
    return {"start": name, **medians, "times stock's": medians["to the first step"] / least}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one start of each")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    anyio.run(main, 1 if given.quick else given.repeat, given.out)
