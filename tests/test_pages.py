"""What a page's parts are written as: nothing that a reader needs is lost on the way."""

import re

import pytest

from sweeps.pages import writing
from sweeps.pages.blocks import Cell, Page, Table


def test_no_name_is_cut_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows may differ in the last of their letters."""
    pytest.importorskip("rich")
    names = [f"masked_lm_of_long_name_{share}" for share in (0.05, 0.1)]
    columns = ("row", *(f"pre-training device-seconds-{number}" for number in range(11)))
    rows = tuple((Cell(name), *[Cell("12345.6")] * 11) for name in names)
    writing.show([Page("page", "A page", "", [Table("wide", "Wide", columns, rows)])])
    out = capsys.readouterr().out
    assert "…" not in out
    first = "".join(re.findall(r"^[│┃] *([^ │┃]*) *[│┃]", out, re.MULTILINE))
    assert first == f"row{''.join(names)}"
