"""The processes of the tests: one that nobody waits for does not harm the others."""

import os
import warnings

import psutil

from tests.forking import fork, output_of, pipe
from tests.support import until


async def test_process_that_is_dropped_unawaited_leaves_the_next_ones_as_they_are() -> None:
    with pipe() as (_, output):
        dropped = await fork(module="platform", env=os.environ, output=output.fileno())
        pid = dropped.pid
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del dropped

        async def there() -> bool:
            return psutil.pid_exists(pid)

        await until(there, lambda still: not still)
    code, said = await output_of("--help", env=os.environ)
    assert (code, "Usage: " in said) == (0, True)
