"""The first page: every sweep, how far it is, what came out."""

from collections.abc import Sequence
from dataclasses import replace

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.conclusions import counted
from sweeps.evidence.results import FAILED
from sweeps.pages.blocks import Block, Cell, Heading, Page, Table, Words, count, have
from sweeps.pages.overview import overview
from sweeps.pages.sweep import name_of, title_of

GENERATIONS = "generations"  # the sweep that puts all models on equal terms


def index(told: Sequence[Comparison], pages: Sequence[Page]) -> Page:
    """Of all pages of a site."""
    done = sum(bool(one.finished) for one in told)
    many = sum(len(one.finished) for one in told)
    lead = f"{done} of {counted(len(told), 'comparison')} {have(done)} results" if told else "There is no comparison"
    lead += f"; {counted(many, 'run')} {have(many)} finished."
    blocks: list[Block] = []
    for one in told:
        if one.name == GENERATIONS and one.finished:
            blocks += generations(one)
    blocks += [Heading("Every comparison", "every"), listed(told, pages)]
    further = [page for page in pages if page.name not in {name_of(one) for one in told}]
    blocks += [Words(page.title, link=f"{page.name}.html") for page in further]
    return Page("index", "Side by Side", lead, blocks)


def generations(one: Comparison) -> list[Block]:
    """Model by task, with costs, of one scale."""
    name = name_of(one)
    kept = replace(overview(one), name=name)
    return [
        Heading(f"The generations side by side: {title_of(one)}", name),
        Words("Differences, intervals and curves are on its own page.", link=f"{name_of(one)}.html"),
        kept,
    ]


def listed(told: Sequence[Comparison], pages: Sequence[Page]) -> Table:
    """A line for each comparison."""
    leads = {page.name: page.lead for page in pages}
    rows = tuple(
        (
            Cell(title_of(one), link=f"{name_of(one)}.html"),
            Cell(leads[name_of(one)]),
            Cell(one.scale or "–"),
            count(len(one.finished)),
            count(len(one.found.results) + len(one.found.missing)),
            failed(one),
        )
        for one in told
    )
    columns = ("comparison", "what came out", "scale", "finished", "of", "failed")
    caption = "Each scale of a sweep has a page of its own: results at two scales are never put together."
    return Table("comparisons", "All comparisons", columns, rows, caption, frozenset({3, 4, 5}))


def failed(one: Comparison) -> Cell:
    many = sum(result.status == FAILED for result in one.found.results)
    return count(many, "bad" if many else "")
