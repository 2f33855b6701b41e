"""The papers' numbers beside ours, and what may be concluded: pages that open from disk.

    python -m sweeps.dashboard sweeps/nsp.yaml                  a page for each scale at which it was run
    python -m sweeps.dashboard sweeps/nsp.yaml seed=7           with the overrides that were given to sweeps.launch
    python -m sweeps.dashboard all                              every sweep of sweeps/, and an index
    python -m sweeps.dashboard outputs/a outputs/b              any runs; of two also what changed between them
    python -m sweeps.dashboard sweeps/nsp.yaml --wandb          a workspace and a report of W&B
    python -m sweeps.dashboard sweeps/nsp.yaml --from-wandb <entity>/<project>     of the runs that W&B has
    python -m sweeps.dashboard sweeps/nsp.yaml --text           the tables in the terminal; --csv, --latex likewise

It reads the records of runs in outputs/ and writes outputs/dashboard/index.html.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hydra.errors import HydraException

from datamodules.task import Refused
from sweeps.evidence import found, grouping, published
from sweeps.evidence.comparison import Comparison
from sweeps.evidence.wanted import Family, Folder, Wanted, begun, deciding
from sweeps.jobs.sentences import answering, first_line, wrong_key
from sweeps.pages import site, sweep, writing
from sweeps.pages.blocks import Page
from sweeps.pages.index import index
from sweeps.pages.links import Links
from sweeps.pages.pair import pair
from sweeps.runs.fetched import fetch
from sweeps.schema.overrides import with_overrides
from sweeps.schema.sweep_file import Sweep, read

EXTRA = {"plotly": "plotly", "rich": "rich", "wandb_workspaces": "wandb-workspaces"}
ALL, SCALE = "all", "scale="
RUNS = Path("outputs")  # which need not be there: nothing may have been run yet


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sweeps.dashboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="+", help="sweeps/*.yaml, or all, or folders of runs; and overrides of launch")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="where the runs are")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the pages; <runs>/dashboard if not given")
    ways = parser.add_mutually_exclusive_group()
    for way, what in (("text", "in the terminal"), ("csv", "as CSV"), ("latex", "for booktabs")):
        ways.add_argument(f"--{way}", action="store_true", help=f"print the tables {what}, and write no page")
    parser.add_argument("--wandb", action="store_true", help="also save a report and a workspace for each sweep")
    parser.add_argument(
        "--from-wandb", metavar="ENTITY/PROJECT", help="read this project's runs, not those of a folder"
    )
    told = parser.parse_intermixed_args(words)
    check_installed("plotly", *["rich"] * told.text, *["wandb_workspaces"] * told.wandb)
    if told.from_wandb:
        told.runs = fetch(told.from_wandb, told.runs)
    folder = told.out or told.runs / "dashboard"
    for way, place in (("runs", told.runs), ("out", folder)):
        if place.exists() and not place.is_dir():
            raise Refused(f"--{way} {place} is not possible: it may be a folder.")
    if told.runs != RUNS and not told.runs.is_dir():
        raise Refused(f"--runs {told.runs} is not there: it may be a folder with runs in it, as {RUNS} is.")
    links = links_from(folder, told.runs)
    comparisons = compared(told.what, told.runs)
    pages = [sweep.page(one, links) for one in comparisons]
    pages += [pair(one, links) for one in comparisons if one.name == grouping.RUNS and len(one.finished) == 2]
    if [len(one.finished) for one in comparisons if one.name == grouping.RUNS] == [1, 1]:
        print("the two runs are of two scales, which are never put together: there is no page of what changed")
    if told.text or told.csv or told.latex:
        printed(pages, told)
        return
    site.write([index(comparisons, pages), *pages], folder)
    print(f"{len(pages)} page{'s' * (len(pages) > 1)}: {folder / 'index.html'}")
    if told.wandb:
        from sweeps.pages.online import save

        print("\n".join(save(comparisons, pages)))


def links_from(site: Path, runs: Path) -> Links:
    """From the pages in `site` to the runs, and to the encoders where conf/config.yaml has them."""
    return Links(site, [Path(os.environ.get("SIDE_BY_SIDE_ENCODERS") or runs.parent / "encoders"), runs])


def came_to(file: Path, overrides: Sequence[str], folders: Iterable[Path]) -> list[str]:
    """What a sweep has come to in these runs' folders, in Markdown: what its page says, without the list of runs."""
    links = links_from(Path("outputs/dashboard"), Path("outputs"))
    pages = [sweep.page(one, links) for one in of_file(file, overrides, begun(folders))]
    return [line for one in pages for line in writing.plain(one)]


def check_installed(*modules: str) -> None:
    """Raises Refused, with what to install, for a package of the extra that is not there."""
    for module in modules:
        if find_spec(module) is None:
            raise Refused(f"{EXTRA[module]} is not installed: pip install -c constraints.txt -e '.[dashboard]' does.")


def compared(what: Sequence[str], runs: Path) -> list[Comparison]:
    """What the command line asks for.

    Raises:
        Refused: for words that go together with none of the ways.
    """
    overrides = [word for word in what if "=" in word and not Path(word).exists()]
    names = [word for word in what if word not in overrides]
    files = [Path(word) for word in names if word.endswith((".yaml", ".yml"))]
    if names == [ALL]:
        files = shipped()
    elif len(files) not in (0, len(names)) or not names:
        raise Refused(f"{' '.join(what)}: it may be sweeps' files, or {ALL}, or folders of runs as outputs/*.")
    if files:
        if not runs.is_dir():
            print(f"{runs} is not there: nothing has been run yet, or --runs may be another folder", file=sys.stderr)
        overrides = checked(overrides, files)
        there = begun(sorted(runs.iterdir()) if runs.is_dir() else ())
        return [one for file in files for one in of_file(file, overrides, there)]
    if overrides:
        raise Refused(f"{overrides[0]}: overrides go with a sweep's file; runs are given as folders.")
    folders = [Path(name) for name in names]
    for place, many in Counter(folder.resolve() for folder in folders).items():
        if many > 1:
            print(f"{place.name} is given more than once: it counts once", file=sys.stderr)
    return [grouping.of_runs(scale, one) for scale, one in found.of_folders(folders).items()]


def of_file(file: Path, overrides: Sequence[str], there: Sequence[Folder]) -> list[Comparison]:
    """A sweep's comparisons, one for each scale."""
    told = with_overrides(read(file), overrides)
    wanted = Wanted(told, others_than(file))
    paper = published.read().get(file.stem)
    title, more = paper.title if paper else told.name, tuple(word for word in overrides if deciding([word]))
    results = found.of_points(wanted, there)
    for word in overrides:
        if word.startswith(SCALE):
            scale = None if word == f"{SCALE}none" else word.removeprefix(SCALE)
            results = {scale: results.get(scale) or found.of_points(wanted, ())[None]}
    return [grouping.of_sweep(file.stem, title, scale, one, paper, more) for scale, one in results.items()]


def shipped() -> list[Path]:
    """The sweeps of the suite."""
    return sorted(file for file in Path(__file__).parent.glob("*.yaml") if file != published.FILE)


@cache
def others_than(file: Path) -> list[Family]:
    """The suite's other sweeps; a file there that is none yet is no matter of this one's."""
    families = []
    for other in shipped():
        with suppress(Refused):
            families += [Family.of(read(other))] if other.resolve() != file.resolve() else []
    return families


def checked(overrides: Sequence[str], files: Sequence[Path]) -> Sequence[str]:
    """The overrides, less the launcher's own, if a point of each sweep composes with them as it does without."""
    if not overrides:
        return ()
    from sweeps.planning.plan import Told, composing, point

    def fault(one: Sweep) -> HydraException | None:
        try:
            point(one.words(one.points()[0]))
        except HydraException as error:
            return error
        return None

    told = Told.of(overrides).overrides
    with composing():
        for one in map(read, files):
            if (wrong := fault(with_overrides(one, told))) is not None and fault(one) is None:
                raise Refused(f"{one.path}: {wrong_key(wrong) or first_line(str(wrong))}")
    return told


def printed(pages: Sequence[Page], told: argparse.Namespace) -> None:
    """Tables instead of pages."""
    if told.text:
        writing.show(pages)
    for page in pages:
        for table in page.tables:
            if told.csv:
                print(f"# {page.title}: {table.title}\n{writing.csv_of(table)}")
            if told.latex and table.name != "runs":
                print(f"% {page.title}\n{writing.latex(table)}")


if __name__ == "__main__":
    with answering():
        try:
            main(sys.argv[1:])
        except Refused as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
