"""An environment process: hosts many environments in one thread and answers requests on its socket.

Forked by `envs.fork_server`; it ends when its socket does, that is, with its worker. Its first message, with id 0, tells
that the environment could be made, or why not.
"""

import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, cast

from envs import registry, wire
from envs.local import AskingEnv, LocalEnv
from runtime.config import Settings
from runtime.errors import MempError

_HARD = 2
"""Times `Settings.env_memory` that a process may take at most: it keeps the episodes it has when it takes no new ones."""
_LEAST = 512
"""MiB that every process may take: libraries alone have hundreds."""
_RSS_PER_MIB = 1 << (20 if sys.platform == "darwin" else 10)


class Host:
    """The environments of this process. What an episode has closed is reused, as an environment may be slow to make, or, as
    TextWorld's, impossible to free."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._live: dict[int, tuple[str, LocalEnv]] = {}
        self._free: dict[str, list[LocalEnv]] = {}

    def ready(self, name: str) -> str:
        """Make one environment in advance: its libraries and its data are found to work before the first request."""
        self._free[name] = [registry.make(name, self._settings)]
        return "ready"

    def handle(self, request: dict[str, Any]) -> Any:
        """Do one request; returns its result, JSON types only."""
        if request["op"] == "step":
            return wire.pack_result(self._live[request["key"]][1].step(request["action"]))
        if request["op"] == "answer":
            return wire.pack_result(cast(AskingEnv, self._live[request["key"]][1]).answer(request["text"]))
        env, game = self._env(request["key"], request["env"]), request["game"]
        if request["op"] == "reset":
            return env.reset(game) if request.get("anyway") or env.prepared(game) else None
        if not env.prepared(game):
            env.prepare(game)
        return True

    def close(self, key: int) -> None:
        """Free the environment of an episode that has ended."""
        name, env = self._live.pop(key, ("", None))
        if env is not None:
            self._free[name].append(env)

    def _env(self, key: int, name: str) -> LocalEnv:
        if key not in self._live:
            free = self._free.setdefault(name, [])
            self._live[key] = (name, free.pop() if free else registry.make(name, self._settings))
        return self._live[key][1]


def _answer(work: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
    try:
        return {"result": work(argument)}
    except MempError as error:
        return {"error": [type(error).__name__, str(error)]}
    except MemoryError:
        raise  # What has taken the memory stays: the others in this process are to go on in another one.
    except Exception as error:
        return {"error": ["EnvError", f"the environment failed ({type(error).__name__}: {error})"]}


def _memory() -> int:
    # The most that it had at once: engines keep what they have taken, so this is what it has, and no platform lacks it.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _RSS_PER_MIB


def _bound_memory(mebibytes: int) -> None:
    """An environment that takes ever more within one episode ends its own process, before the system ends any process at all."""
    limit = max(_HARD * mebibytes, _LEAST) << 20
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or most > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def serve(end: socket.socket, name: str, settings: Settings) -> None:
    """Answer requests in order, each before the next is begun, until their stream ends."""
    host = Host(settings)
    end.sendall(wire.pack({"id": 0, **_answer(host.ready, name)}))
    requests = end.makefile("rb")
    while (request := wire.read(requests)) is not None:
        if request["op"] == "close":
            host.close(request["key"])
            continue
        answer = {"id": request["id"], **_answer(host.handle, request)}
        if request["op"] == "reset":
            answer["memory"] = _memory()
        end.sendall(_packed(answer))


def _packed(answer: dict[str, Any]) -> bytes:
    """The answer, or that it is none: what an environment of one's own gives may be anything."""
    try:
        packed = wire.pack(answer)
    except TypeError as error:
        what = f"what is not JSON ({error})"
    else:
        if len(packed) <= wire.MAX_MESSAGE:
            return packed
        what = f"{len(packed) >> 20} MiB, more than the {wire.MAX_MESSAGE >> 20} that are read"
    return wire.pack({"id": answer["id"], "error": ["EnvError", f"the environment answered with {what}"]})


def run(end: socket.socket, name: str, settings: dict[str, Any]) -> NoReturn:
    """Serve until the worker closes the socket or dies."""
    status = 1
    try:
        given = Settings(**settings)
        _bound_memory(given.env_memory)
        serve(end, name, given)
        status = 0
    except ConnectionError:
        status = 0  # The worker died while an answer was under way.
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # A normal exit would run destructors of libraries that an environment has loaded; those of TextWorld's planner can crash.
        os._exit(status)
