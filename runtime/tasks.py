"""Task groups from which errors leave as they came."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import anyio
from anyio.abc import TaskGroup

from runtime.errors import MempError


@asynccontextmanager
async def open_tasks() -> AsyncGenerator[TaskGroup]:
    """A task group that raises its one error instead of a group around it.

    Of several it raises the first MempError, as that says what to do; without any, the group.
    """
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        error = _telling(cast(tuple[BaseException, ...], group.exceptions))
        if error is None:
            raise
        raise error from error.__cause__


def _telling(errors: tuple[BaseException, ...]) -> BaseException | None:
    if len(errors) == 1:
        return errors[0]
    return next((error for error in errors if isinstance(error, MempError)), None)
