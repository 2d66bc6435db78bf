"""A memory for each test, over either kind of index."""

from collections.abc import AsyncGenerator

import pytest

from memory.store import Memory
from tests.support import Place, opened


@pytest.fixture(params=["search", "plain"])
def place(request: pytest.FixtureRequest) -> Place:
    """Both kinds of server, one after the other."""
    searches = request.param == "search"
    return Place(request.getfixturevalue("server_url" if searches else "plain_server_url"), searches)


@pytest.fixture
async def memory(server_url: str, namespace_name: str) -> AsyncGenerator[Memory]:
    """For what no index matters to."""
    async with opened(Place(server_url, search=False), namespace_name) as memory:
        yield memory
