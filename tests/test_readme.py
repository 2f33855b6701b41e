"""What the README and CONTRIBUTING say works: snippets run, commands compose, links and targets exist."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, compose, options

README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = sorted(set(re.findall(r"^    python run\.py([^#\n]*)", README, re.MULTILINE)))


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_python_snippets_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(SNIPPETS[number], f"README snippet {number}", "exec"), {"__name__": "snippet"})
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_compose(command: str) -> None:
    words = shlex.split(re.sub(r"<\w+>", "x", command))
    many = words[:1] == ["-m"]
    for place in (0, -1):  # of a multirun the first point and the last
        point = [f"{key}={value.split(',')[place]}" for key, value in (word.split("=") for word in words[1:])]
        assert compose(*(point if many else words)).model._target_
    assert len(COMMANDS) > 5


def test_nothing_is_left_to_fill_in() -> None:
    assert "@@" not in README


def test_every_size_is_named() -> None:
    for model in options("model"):
        assert f"`{model}`" in README or f"`model={model}`" in README


def test_links_and_targets_exist() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        text = page.read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for target in re.findall(r"^    make ([a-z]+)", text, re.MULTILINE):
            assert target in targets
