"""Chaos: real workers and curators learn while they and their server are killed; then streams and memory must prove that nothing was
lost and nothing done twice.

    uv run python -m bench.chaos [--tasks N] [--workers W] [--curators C] [--kills K] [--server-restarts R] [--seconds S]
                                 [--seed S] [--group-size G] [--quick] [--out FILE]

First a share of the tasks is played in peace, to compare with. Then, spread over the tasks (or over `--seconds`, if these end
first): K SIGKILLs to workers and curators, a quarter as many SIGTERMs and SIGSTOPs beyond the lease, and R SIGKILLs to the server,
which starts again on its append-only file. In the end `bench.chaos_checks` looks at all that is left. The exit code is 1 where
anything is wrong, and what it is stands below the table.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import anyio

from bench import harness
from bench.chaos_checks import ends, wrong
from bench.chaos_deeds import planned
from bench.chaos_play import DELIVERIES, SLOTS, Measured, Stage
from bench.chaos_record import Evidence
from bench.report import median, save, show
from runtime.logs import configure_logs
from runtime.server import connect
from runtime.server.process import embedded

HEALED = 10.0
"""Seconds from the server's first answer within which commits and changes go on."""
CALM = 10
"""One in so many tasks is played in peace before, 200 at least and 2,000 at most."""


async def run(flags: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Both plays, on a server and a model of their own: the figures, and what is wrong."""
    async with (
        embedded(folder / "server", module=True) as url,
        connect(url) as client,
        harness.serving(["bench.chaos_model"]) as model,
    ):
        stage = Stage(flags, client, url, model, folder)
        calm, calm_evidence = await stage.play("calm", 0, min(2000, max(200, flags.tasks // CALM)), [])
        wild, evidence = await stage.play("chaos", 10_000_000, flags.tasks, planned(flags.kills, flags.server_restarts, flags.seed))
    faults = [f"without chaos: {fault}" for fault in [*wrong(calm_evidence), *calm.failures]]
    return figures(calm, wild, evidence), [*faults, *wrong(evidence), *unhealthy(wild, flags)]


def unhealthy(measured: Measured, flags: argparse.Namespace) -> list[str]:
    """What is wrong with how the processes behaved."""
    late = [seconds for each in measured.recoveries if (seconds := each.seconds) and seconds > HEALED]
    bound = repeatable(measured, flags)
    return [
        *([] if measured.rested else ["it did not come to rest"]),
        *measured.failures,
        *([f"{len(late)} recoveries took longer than {HEALED:g} s: {late}"] if late else []),
        *([f"{measured.repeated} LLM calls were repeated, and at most {bound} were in flight"] if measured.repeated > bound else []),
        *([f"one LLM call was made {measured.most} times"] if measured.most > DELIVERIES else []),
    ]


def repeatable(measured: Measured, flags: argparse.Namespace) -> int:
    """LLM calls that can have been in flight when something was done: one per slot of each process that it was done to."""
    to_server = measured.done["SIGKILL server"]
    return SLOTS * (measured.done.total() - to_server + to_server * (flags.workers + flags.curators))


def figures(calm: Measured, wild: Measured, evidence: Evidence) -> dict[str, Any]:
    """What is told in the end; seconds unless said otherwise."""
    healing = [seconds for each in wild.recoveries if (seconds := each.seconds)]
    kinds = [revision.cause.kind for procedure in evidence.procedures for revision in procedure.revisions]
    groups = [group for stream in evidence.streams for group in stream.groups]
    return {
        "tasks": wild.tasks,
        "seconds": wild.seconds,
        "trajectories": len(evidence.seen),
        "dead letters": len(evidence.letters),
        **ends(evidence),
        "done": dict(wild.done),
        "process starts": wild.starts,
        "starts refused, the server being away": wild.refused,
        "server answers again after, p50": median([each.answering for each in wild.recoveries]),
        "commits and changes go on after, p50": median(healing),
        "commits and changes go on after, max": max(healing, default=None),
        "recoveries": [asdict(each) for each in wild.recoveries],
        "LLM calls": wild.calls,
        "LLM calls repeated": wild.repeated,
        "procedures": len(evidence.procedures),
        "revisions": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "changes": len(evidence.changes),
        "memory, and made again of its changes": evidence.hashes,
        "consumers left": sum(group.consumers for group in groups),
        "tasks/s": wild.tasks / wild.seconds,
        "tasks/s in peace": calm.tasks / calm.seconds,
        "of the pace in peace": wild.tasks / wild.seconds / (calm.tasks / calm.seconds),
    }


async def main(flags: argparse.Namespace) -> int:
    """Run, tell, and give the exit code."""
    configure_logs("error")
    folder = Path(mkdtemp(prefix="chaos"))
    found, faults = await run(flags, folder)
    given = {name: value for name, value in vars(flags).items() if name != "out"}
    show("chaos", [{"what": what, "measured": _plain(value)} for what, value in found.items() if what != "recoveries"])
    save("chaos", {"flags": given, **found, "wrong": faults}, flags.out)
    print("\n".join(["WRONG", *faults]) if faults else "nothing lost, nothing done twice, every counter exact, no key leaked")
    if faults:
        print(f"logs and data: {folder}")
    else:
        rmtree(folder)
    return 1 if faults else 0


def _plain(value: Any) -> Any:
    return ", ".join(f"{name}: {_plain(each)}" for name, each in value.items()) if isinstance(value, dict) else value


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--curators", type=int, default=2)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs to workers and curators")
    parser.add_argument("--server-restarts", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=None, help="submit no more tasks after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", type=float, default=2.0, help="seconds")
    parser.add_argument("--group-size", type=int, default=None, help="grouped mode; without: free-running")
    parser.add_argument("--quick", action="store_true", help="about a minute: 30 seconds of tasks, 8 kills, 2 restarts")
    parser.add_argument("--out", type=Path, default=None)
    flags = parser.parse_args(given)
    if flags.quick:
        flags.tasks, flags.seconds, flags.kills, flags.server_restarts, flags.workers = 2000, 30.0, 8, 2, 2
    return flags


if __name__ == "__main__":
    sys.exit(anyio.run(main, arguments(), backend_options={"use_uvloop": True}))
