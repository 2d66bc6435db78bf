"""Messages between a worker and its environment processes."""

from io import BytesIO

import pytest

from envs import wire


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
