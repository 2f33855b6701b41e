"""The rules of the house, read off the disk: pins, forbidden text, sizes, and which folder may import which."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LONGEST_FILE, LONGEST_FUNCTION = 250, 45
# The rooms of sweeps/ from the ground up: each imports from itself and from those before it.
ROOMS = ("jobs", "schema", "vectors", "showing", "runs", "evidence", "compare", "pages", "planning")
ROOMS += ("dashboard", "launch")

# As patterns, so that this file passes its own tests.
PATHS = re.compile(r"(?<![\w.~$}/-])/(?:home|work|root|Users)/\w")
HOSTS = re.compile(r"pypi\.org|pythonhosted\.org|download\.pytorch\.org|npmjs\.org|deb\.debian\.org")
FORBIDDEN = {
    "torchmetrics already reduces over processes": re.compile(r"sync_dist\s*=\s*True"),
    "loading weights must not run code": re.compile(r"weights_only\s*=\s*False"),
    "a model reads its batch, never the data module": re.compile(r"trainer\.datamodule"),
}


def repository(pattern: str = "*") -> Iterator[Path]:
    """The files of the repository: what is on the disk, less what .gitignore names."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split())]

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            anchored = f"/{path.relative_to(ROOT).as_posix()}"
            if path.is_symlink() or any(fnmatch(path.name, name) or anchored == name for name in ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            elif fnmatch(path.name, pattern):
                yield path

    return walk(ROOT)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


SOURCES = {name_of(path): path.read_text(encoding="utf-8") for path in repository("*.py")}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [
    written
    for group in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for written in group
    if Requirement(written).name != PROJECT["name"]
]


def pins() -> dict[NormalizedName, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def imports(name: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in the file: `from a import b` is a.b."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split("/")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("written", DEPENDENCIES)
def test_a_dependency_is_pinned_and_says_why_it_is_there(written: str) -> None:
    requirement = Requirement(written)
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)], prereleases=True)
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    comments = [line.partition(f'"{written}",')[2] for line in lines if line.strip().startswith(f'"{written}"')]
    assert comments, f"pyproject.toml: {written} does not stand on a line of its own"
    assert all(re.match(r"\s+# \w", comment) for comment in comments), f"pyproject.toml: {written} has no comment"


def test_what_is_installed_is_what_is_pinned() -> None:
    """A local build (torch's +cpu) counts as its version; a pin that this platform does not need may be absent."""
    found = {canonicalize_name(one.metadata["Name"]): one.version for one in importlib.metadata.distributions()}
    assert {canonicalize_name(Requirement(written).name) for written in DEPENDENCIES} <= set(found)
    wrong = {
        name: f"{found[name]} is installed, {pin} is pinned"
        for name, pin in pins().items()
        if name in found and Version(found[name]).public != pin.public
    }
    assert not wrong, f"{wrong}: pip install -c constraints.txt -e '.[dev]'"


def test_no_file_names_a_place_of_one_machine() -> None:
    wrong = []
    for path in repository():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        wrong += [f"{name_of(path)}: {found.group()}" for rule in (PATHS, HOSTS) for found in rule.finditer(text)]
    assert not wrong, wrong


@pytest.mark.parametrize("why", FORBIDDEN)
def test_no_forbidden_call(why: str) -> None:
    wrong = [name for name, source in SOURCES.items() if FORBIDDEN[why].search(source)]
    assert not wrong, f"{why}: {wrong}"


def test_files_are_short() -> None:
    lengths = {name: len(source.splitlines()) for name, source in SOURCES.items() if not name.startswith("tests/")}
    long = {name: length for name, length in lengths.items() if length > LONGEST_FILE}
    assert not long, f"longer than {LONGEST_FILE} lines: {long}"


def test_functions_are_short() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": length
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {long}"


def test_networks_import_torch_only() -> None:
    allowed = {"torch", *sys.stdlib_module_names}
    own = "lightning_modules.networks"
    wrong = [
        f"{name}:{line} {module}"
        for name in SOURCES
        if name.startswith("lightning_modules/networks/")
        for line, module in imports(name)
        if module.split(".")[0] not in allowed and not inside(module, own)
    ]
    assert not wrong, wrong


def test_what_learns_knows_nothing_of_text_but_the_task() -> None:
    wrong = [
        f"{name}:{line} {module}"
        for name in SOURCES
        if name.startswith("lightning_modules/")
        for line, module in imports(name)
        if inside(module, "datamodules") and not inside(module, "datamodules.task")
    ]
    assert not wrong, wrong


def test_what_reads_text_knows_nothing_of_what_learns() -> None:
    wrong = [
        f"{name}:{line} {module}"
        for name in SOURCES
        if name.startswith("datamodules/")
        for line, module in imports(name)
        if inside(module, "lightning_modules")
    ]
    assert not wrong, wrong


def room_of(module: str) -> int:
    return ROOMS.index(module.split(".")[1])


def test_rooms_of_sweeps_import_from_those_below() -> None:
    names = [name for name in SOURCES if name.startswith("sweeps/") and name != "sweeps/__init__.py"]
    assert {name.split("/")[1].removesuffix(".py") for name in names} == {*ROOMS}
    wrong = [
        f"{name}:{line} {module}"
        for name in names
        for line, module in imports(name)
        if inside(module, "sweeps") and room_of(module) > room_of(name.removesuffix(".py").replace("/", "."))
    ]
    assert not wrong, wrong


def test_what_runs_nothing_imports_nothing_large() -> None:
    """Help, refusals, finished runs and a launcher's plan would each wait for Lightning for seconds."""
    large = ["lightning", "torch", "scipy", "matplotlib", "datasets", "wandb", "transformers"]
    told = f"import sys, run, sweeps.launch; print([name for name in {large} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
