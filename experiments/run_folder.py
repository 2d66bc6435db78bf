"""A run's folder, seen from outside: what it says it is."""

from pathlib import Path
from typing import Any

from pydantic_core import from_json

from runtime.errors import DataError


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a run, whatever version wrote it. Raises `DataError` where it is missing or no JSON object."""
    path = folder / "config.json"
    try:
        config = from_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): name the folder of a run") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}): mend it, or start the run afresh with --overwrite") from None
    if not isinstance(config, dict):
        raise DataError(f"{path} holds no JSON object: mend it, or start the run afresh with --overwrite")
    return config
