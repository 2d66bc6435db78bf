"""The chaos driver, for about a minute: what it proves after a long run it must prove after a short one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(600)  # a minute where nothing else is at work; processes start slowly where much is
def test_short_chaos_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    out = tmp_path / "chaos.json"
    flags = {"tasks": 600, "seconds": 20, "kills": 6, "server-restarts": 2, "workers": 2, "curators": 2, "seed": 7, "out": out}
    command = [sys.executable, "-m", "bench.chaos", *(f"--{name}={value}" for name, value in flags.items())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert (told["wrong"], told["lost"], told["duplicated"]) == ([], 0, 0)
    assert (told["done"]["SIGKILL worker"] + told["done"]["SIGKILL curator"], told["done"]["SIGKILL server"]) == (6, 2)
    assert told["tasks"] >= 200
