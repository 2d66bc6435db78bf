"""Who is to blame? Rules of credit, compared by whether they find procedures that were planted to do harm.

    uv run python -m bench.credit [--games N] [--repeats R] [--planted SHARE] [--model MODEL] [--real] [--quick] [--out FILE]

A memory that the stand-in learned is frozen, and a share of its procedures (drawn by a hash) is made to deny what it learned. The
same games are then played R times with it as it is, and R times with each retrieved procedure withheld by chance. Every rule scores
every procedure by the same number of episodes, and ranks the same ones: those that at least two episodes used with memory as it is, and
that with chance at least two were given and from at least two were withheld. Aborted episodes count for nothing, as in memory itself.
AUC is the chance that a rule ranks a poisoned one above one that is not (0.5: by luck), with a 95 % interval (bootstrap over
procedures, each kind by itself). As all rules rank the same procedures, their intervals say little of which is better: that says the
difference to the share of successes, with the interval of the same draws. A rule that ranks all right has an interval without width,
however few they are.

    share of successes  1 - its share of successes of the episodes that used it, as design and reference have it
    first in list       the same, with credit to the first of the list only, as the reference gives it
    uplift              success when withheld - success when given
    e-value             the evidence that `--deprecate uplift` acts on

Below that, what either rule of deprecation would have done, decided by the apply script itself, episode after episode.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import numpy as np

from bench.credit_ranking import compared, ranks
from bench.false_memory import poisoned
from bench.report import save, show
from experiments.config import RunConfig
from experiments.demo import MODEL, SCENES, stand_in_process, with_stand_in
from experiments.driver import drive
from memory.changes import streamed
from memory.plan import Deprecation
from memory.procedure import Change, Credit, Procedure
from memory.store import Memory, open_memory
from memory.transfer import import_memory
from memory.update import credits
from runtime.bus.consumer import Consumer
from runtime.bus.namespace import open_namespace
from runtime.config import Settings
from runtime.errors import MempError
from runtime.events import Trajectory
from runtime.keys import CURATORS
from runtime.logs import configure_logs
from runtime.model.embeddings import open_embedder
from runtime.server import connect, open_server

DROPOUT = 0.5
QUICK = (16, 2, 0.5)
"""Games, repeats and share of the procedures that are poisoned."""


class Planted(NamedTuple):
    """A memory with harm in it: its file, and the ids of what was poisoned, and of all."""

    file: Path
    harmful: frozenset[str]
    all: frozenset[str]


def plant(learned: Path, out: Path, share: float) -> Planted:
    """Turn a share of the procedures, drawn by a hash of their ids; those that say no place stay what they are."""
    header, *lines = learned.read_text(encoding="utf-8").splitlines()
    kept, harmful = [header], set[str]()
    for line in lines:
        name = json.loads(line)["id"]
        turned = poisoned(line) if hashlib.sha256(name.encode()).digest()[0] < share * 256 else line
        if json.loads(turned) != json.loads(line):
            harmful.add(name)
        kept.append(turned)
    out.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return Planted(out, frozenset(harmful), frozenset(json.loads(line)["id"] for line in lines))


async def learn(settings: Settings, games: int | None) -> Path:
    """What the stand-in learns of these games, once."""
    config = RunConfig(mode="online", exp_name="learned", model=MODEL, limit=games, batch_size=8)
    return (await drive(config, settings, overwrite=True, show=lambda _: None)).folder / "memory.jsonl"


async def play(settings: Settings, model: str, memory: Path, games: int | None, repeats: int, dropout: float) -> list[Trajectory]:
    """The games with the frozen memory, once per seed, without what was aborted; ids are made unique over the repeats."""
    played: list[Trajectory] = []
    for seed in range(1, repeats + 1):
        name = f"dropout-{dropout:g}-{seed}"
        config = RunConfig(
            mode="offline", exp_name=name, model=model, limit=games, memory=memory, seed=seed, procedure_dropout=dropout, batch_size=16
        )
        result = await drive(config, settings, overwrite=True, show=lambda _: None)
        text = await anyio.Path(result.folder / "trajectories.jsonl").read_text()
        ended = sorted((Trajectory.model_validate_json(line) for line in text.splitlines()), key=lambda each: each.task.index)
        for each in finished(ended):
            task = each.task.model_copy(update={"id": f"{seed}-{each.task.id}", "epoch": 1})
            played.append(each.model_copy(update={"id": f"1:{task.id}", "task": task}))
    return played


def finished(ended: Iterable[Trajectory]) -> list[Trajectory]:
    """Those that memory gives credit for."""
    return [each for each in ended if each.outcome != "aborted"]


async def decided(memory: Memory, played: Sequence[Trajectory], rule: Deprecation) -> list[tuple[str, int]]:
    """Which procedures the apply script deprecates and after how many episodes, when these come in one after the other."""
    keys, number = memory.namespace.keys, 0
    consumer = Consumer(memory.namespace.client, keys.trajectories, CURATORS, name="bench", lease=600)
    await consumer.register()
    await memory.namespace.submit_trajectories(played)
    while deliveries := await consumer.read(100, block=0.2):
        for each, delivery in zip(played[number:], deliveries, strict=False):
            change = Change(kind="learned", trajectory=each.id, uses=credits(each, each.success))
            await memory.learn(change, each, delivery, rule)
        number += len(deliveries)
    places = {each.id: place for place, each in enumerate(played, start=1)}
    changes = [change async for change in streamed(memory.namespace)]
    return [(gone.procedure, places[change.event.trajectory or ""]) for change in changes for gone in change.deprecated]


def _used(procedure: Procedure) -> int:
    """The revision that all episodes used: the only one after it is its deprecation."""
    return procedure.current.number - (procedure.current.status == "deprecated")


async def _evidence(memory: Memory, procedure: Procedure) -> float:
    """How far it is shown to do harm: the logarithm of the e-value."""
    stored = await memory.namespace.client.hget(memory.namespace.keys.credit(procedure.id), f"evidence:{_used(procedure)}")
    return float(stored or 0)


async def judged(settings: Settings, planted: Planted, played: Sequence[Trajectory], rule: Deprecation, name: str) -> dict[str, Any]:
    """A line of the second table, and the counters that memory ends with."""
    async with open_server(settings) as server, connect(server.url) as client, open_embedder(settings) as embedder:
        namespace = await open_namespace(client, f"judge-{name}", overwrite=True)
        memory = await open_memory(namespace, embedder, search=False, exact_up_to=settings.exact_up_to)
        await import_memory(memory, planted.file)
        gone = await decided(memory, played, rule)
        procedures = await memory.get_all(await memory.ids())
        evidence = {each.id: await _evidence(memory, each) for each in procedures}
    found = [place for procedure, place in gone if procedure in planted.harmful]
    return {
        "line": {
            "rule": name,
            "episodes": len(played),
            "planted": len(planted.harmful),
            "found": len(found),
            "episode of the last found": max(found, default=None),
            "not planted": len(planted.all - planted.harmful),
            "lost": len(gone) - len(found),
            "share lost of those taken out": (len(gone) - len(found)) / len(gone) if gone else None,
        },
        "credit": {each.id: each.credit.get(_used(each), Credit()) for each in procedures},
        "evidence": evidence,
    }


class Tried(NamedTuple):
    """What was played, as it is and with dropout, and what either rule of deprecation made of it."""

    planted: Planted
    played: list[Trajectory]
    dropped: list[Trajectory]
    share: dict[str, Any]
    uplift: dict[str, Any]


async def tried(flags: argparse.Namespace) -> Tried:
    """Learn, plant, play and judge."""
    games, repeats = flags.games, flags.repeats
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with stand_in_process() as base_url:
            settings = with_stand_in(Settings(data_dir=folder / "data", runs_dir=folder / "runs"), base_url)
            if not flags.real:
                settings = SCENES["alfworld"].make(settings, games)
            planted = plant(await learn(settings, games), folder / "planted.jsonl", flags.planted)
            played = await play(settings, flags.model, planted.file, games, repeats, 0.0)
            dropped = await play(settings, flags.model, planted.file, games, repeats, DROPOUT)
            share = await judged(settings, planted, played, Deprecation(), "share")
            uplift = await judged(settings, planted, dropped, Deprecation(fdr=settings.deprecate_fdr), "uplift")
    return Tried(planted, played, dropped, share, uplift)


async def main(flags: argparse.Namespace) -> None:
    configure_logs("error")
    if flags.quick:
        flags.games, flags.repeats, flags.planted = QUICK
    planted, played, dropped, share, uplift = await tried(flags)
    lines = compared(ranks(played, dropped, uplift["evidence"]), planted.harmful)
    success = {name: float(np.mean([each.success for each in some])) for name, some in (("as it is", played), ("dropout", dropped))}
    counts = f"{len(played)} and {len(dropped)} episodes"
    show(f"which rule finds planted harm ({flags.model}, no language model; {counts}; success {success})", lines)
    taken = [share["line"], uplift["line"]]
    show("what either rule takes out of retrieval", taken)
    procedures = {
        name: each.model_dump() | {"planted": name in planted.harmful, "evidence": uplift["evidence"][name]}
        for name, each in uplift["credit"].items()
    }
    told = {"planted": flags.planted, "model": flags.model, "procedures": procedures}
    save("credit", {**told, "auc": lines, "deprecated": taken, "success": success}, flags.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=16, help="times that each game is played, with and without dropout")
    parser.add_argument("--planted", type=float, default=0.25, help="share of the procedures that are poisoned")
    parser.add_argument("--model", default=MODEL, help="stand-in-strong or stand-in-weak; memory is learned by the strong one")
    parser.add_argument("--real", action="store_true", help="the dev split of ALFWORLD_DATA instead of generated households")
    parser.add_argument("--quick", action="store_true", help="16 games, twice, half of the procedures poisoned")
    parser.add_argument("--out", type=Path, default=None)
    try:
        anyio.run(main, parser.parse_args())
    except MempError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
