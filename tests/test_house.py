"""The house rules that no linter checks: what is imported from where, docstrings, sizes, and what files must not name."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from runtime.config import Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
# Escaped, so that these patterns do not find themselves.
MACHINE = re.compile(r"(?<![\w.}])/(?:work|root|tmp|home/(?!memp\b)\w+)\b")
HOSTS = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.org|ghcr\.io|docker\.io|debian\.org)\b")
ELSEWHERE = re.compile(r"\b(?:issue \d|design\.md|redis\.md|alfworld\.md|travelplanner\.md|paper\.md)\b")


def files() -> Iterator[Path]:
    """What is committed or about to be; outside a git checkout, all but hidden folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        found = (ROOT / name for name in listed.stdout.split("\0"))
    else:
        found = (path for path in ROOT.rglob("*") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))
    return (path for path in found if path.is_file())


SOURCES = sorted(path for path in files() if path.suffix == ".py")
OURS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]


def where(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def imported(tree: ast.AST) -> set[str]:
    """Top-level names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes of a module that others may use."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("package", PACKAGES)
def test_package_when_imported_comes_from_this_checkout(package: str) -> None:
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).parent == ROOT / package


def test_module_that_imports_a_package_bears_another_name() -> None:
    external = set[str]().union(*(imported(ast.parse(path.read_text())) for path in OURS)) - set(PACKAGES) - sys.stdlib_module_names
    named = [path.relative_to(ROOT).with_suffix("").parts for path in OURS]
    assert not [parts for parts in named if external & set(parts)]
    assert not [where(path) for path in OURS if path.stem in imported(ast.parse(path.read_text()))]


def test_public_name_in_a_package_has_a_docstring() -> None:
    missing: list[str] = []
    for path in OURS:
        tree = ast.parse(path.read_text())
        missing += [] if ast.get_docstring(tree) else [where(path)]
        missing += [f"{where(path, node.lineno)} {node.name}" for node in public(tree) if not ast.get_docstring(node)]
    assert not missing, "\n".join(missing)


def test_setting_has_a_docstring() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_file_stays_within_300_lines_and_function_within_50() -> None:
    long: list[str] = []
    for path in SOURCES:
        text = path.read_text()
        long += [where(path)] if len(text.splitlines()) > 300 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 50:
                long.append(f"{where(path, node.lineno)} {node.name}")
    assert not long, "\n".join(long)


def test_committed_file_names_no_machine_and_no_registry() -> None:
    named: list[str] = []
    for path in files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if found := MACHINE.search(line) or HOSTS.search(line) or ELSEWHERE.search(line):
                named.append(f"{where(path, number)} {found.group()}")
    assert not named, "\n".join(named)


def test_lock_for_each_requirement_pins_a_version_in_its_range() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned: dict[str, list[str]] = {}
    for name, number in re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE):
        pinned.setdefault(name, []).append(number)
    groups: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    dev = [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
    extras = chain.from_iterable(groups[extra] for requirement in dev if requirement.name == "memp" for extra in requirement.extras)
    asked = [*map(Requirement, [*PROJECT["project"]["dependencies"], *extras]), *dev]
    for requirement in asked:
        if requirement.name != "memp":
            assert pinned.get(requirement.name), f"{requirement.name} is not in requirements.lock: export it anew"
            assert all(Version(number) in requirement.specifier for number in pinned[requirement.name]), requirement
    assert version("memp") == PROJECT["project"]["version"]
