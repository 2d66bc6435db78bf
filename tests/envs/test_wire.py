"""Messages between a worker and its environment processes."""

import asyncio
import socket
from io import BytesIO
from typing import Any

import anyio
import pytest

from envs import wire
from envs.link import Link


@pytest.mark.parametrize("action", ["", "\0", "gö 🛋", "x" * 200_000], ids=len)
def test_wire_odd_action_crosses_unchanged(action: str) -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1, "action": action}))) == {"id": 1, "action": action}


def test_wire_lone_surrogate_crosses_replaced() -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1, "action": "go \ud800"}))) == {"id": 1, "action": "go ?"}


def test_wire_message_that_is_cut_off_is_the_end() -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1})[:-1])) is None


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frames_of_any_piece_size_give_the_same_messages(size: int) -> None:
    messages = [{"id": number, "text": "x" * number} for number in range(20)]
    data = b"".join(map(wire.pack, messages))
    frames = wire.Frames()
    assert [message for at in range(0, len(data), size) for message in frames.feed(data[at : at + size])] == messages


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"id": [[1]], "result": True},
        {"id": 1},
        {"id": 1, "error": "no"},
        {"id": 1, "error": ["EnvError"]},
        {"id": 1, "error": ["EnvError", 2]},
        {"id": 1, "result": True, "memory": "much"},
    ],
)
def test_wire_message_that_is_no_answer_is_garbled(message: dict[str, Any]) -> None:
    with pytest.raises(wire.Garbled):
        wire.check_answer(message)


@pytest.mark.parametrize("message", [{}, {"id": 1}, {"id": 1, "pid": "2"}, {"id": 1, "pid": 2, "status": 0}, {"id": [1], "status": 0}])
def test_wire_message_that_tells_of_no_process_is_garbled(message: dict[str, Any]) -> None:
    with pytest.raises(wire.Garbled):
        wire.check_notice(message)


async def test_link_that_is_cancelled_is_read_no_more() -> None:
    ours, theirs = socket.socketpair()
    link, told = Link(ours), list[dict[str, Any]]()
    with theirs:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run, told.append)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert not asyncio.get_running_loop().remove_reader(ours)
        link.close()
    assert told == []


async def test_link_whose_own_side_fails_over_a_message_does_not_blame_the_other() -> None:
    ours, theirs = socket.socketpair()
    link = Link(ours)

    def fail(message: dict[str, Any]) -> None:
        raise KeyError("a bug of ours")

    with theirs:
        theirs.sendall(wire.pack({"id": 1, "result": True}))
        with pytest.RaisesGroup(KeyError), anyio.fail_after(5):
            await link.run(fail)
        link.close()
