"""An environment process: hosts many environments in one thread and answers requests on its standard streams.

Started by `envs.pool` as `python -m envs.process <environment>`; it ends when its standard input does, that is, with
its parent. Its first message, with id 0, tells that the environment could be made, or why not.
"""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

from envs import registry, wire
from envs.local import LocalEnv
from runtime.config import Settings
from runtime.errors import MempError


class Host:
    """The environments of this process. What an episode has closed is reused: engines can't be freed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._live: dict[int, tuple[str, LocalEnv]] = {}
        self._free: dict[str, list[LocalEnv]] = {}

    def prepare(self, name: str) -> str:
        """Make one environment in advance: the libraries are loaded and found to work before the first request."""
        self._free[name] = [self._make(name)]
        return "ready"

    def handle(self, request: dict[str, Any]) -> Any:
        """Do one request; returns its result, JSON types only."""
        if request["op"] == "reset":
            return self._env(request["key"], request["env"]).reset(request["game"])
        return list(self._live[request["key"]][1].step(request["action"]))

    def close(self, key: int) -> None:
        """Free the environment of an episode that has ended."""
        name, env = self._live.pop(key, ("", None))
        if env is not None:
            self._free[name].append(env)

    def _env(self, key: int, name: str) -> LocalEnv:
        if key not in self._live:
            free = self._free.setdefault(name, [])
            self._live[key] = (name, free.pop() if free else self._make(name))
        return self._live[key][1]

    def _make(self, name: str) -> LocalEnv:
        env = registry.make(name, self._settings)
        # Collecting cycles among all that the libraries have loaded costs 30 times the p95 of a step, and frees next to nothing.
        gc.collect()
        gc.freeze()
        gc.disable()
        return env


def answer(number: int, work: Callable[[], Any]) -> bytes:
    """The message that answers request `number` with what the work returns, or with the error that it raises."""
    try:
        return wire.pack({"id": number, "result": work()})
    except MempError as error:
        return wire.pack({"id": number, "error": [type(error).__name__, str(error)]})
    except Exception as error:
        return wire.pack({"id": number, "error": ["EnvError", f"the environment failed ({type(error).__name__}: {error})"]})


def _take_stdout() -> BinaryIO:
    # Whatever a library prints, from Python or C, goes to stderr; only answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def serve(requests: BinaryIO, answers: BinaryIO, name: str) -> None:
    """Answer requests in order until their stream ends."""
    host = Host(Settings())
    answers.write(answer(0, partial(host.prepare, name)))
    answers.flush()
    while (request := wire.read(requests)) is not None:
        if request["op"] == "close":
            host.close(request["key"])
        else:
            answers.write(answer(request["id"], partial(host.handle, request)))
            answers.flush()


def main() -> None:
    """Serve until the parent closes the stream or dies; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 0
    try:
        serve(sys.stdin.buffer, _take_stdout(), sys.argv[1])
    except BrokenPipeError:
        pass  # The parent died while an answer was under way.
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    # A normal exit would run the destructors of the planner's libraries, which can crash once several are loaded.
    os._exit(status)


if __name__ == "__main__":
    main()
