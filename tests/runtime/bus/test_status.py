"""What a namespace's streams hold, as it is told."""

from runtime.bus.namespace import Namespace
from runtime.bus.status import silence
from tests.support import arrive


async def test_silence_of_a_group_that_is_gone_is_none(namespace: Namespace) -> None:
    await arrive(namespace)
    assert await silence(namespace.client, namespace.keys.trajectories, "gone") is None
