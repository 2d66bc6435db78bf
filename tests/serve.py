"""A real embedded server for the test session, in a process of its own: `python -m tests.serve DIR [--no-module]`."""

import sys
from pathlib import Path

import anyio

from runtime.config import Settings
from runtime.logs import configure_logs
from runtime.server import open_server


async def main(directory: Path, module: bool) -> None:
    """Print the URL once the server is ready; end when standard input does."""
    configure_logs("warning")
    async with open_server(Settings(data_dir=directory, REDIS_URL=None), module=module) as server:  # pyright: ignore[reportCallIssue]
        print(server.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), "--no-module" not in sys.argv)
