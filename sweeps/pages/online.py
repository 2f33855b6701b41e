"""The same comparison for people who live in W&B: a report and a workspace for each sweep and scale.

W&B has no table with intervals: the report has the page's as Markdown. Its panels read the runs that are there, grouped
by the sweep's axes, with mean and spread.
"""

import os
from collections.abc import Sequence
from typing import Any

from datamodules.task import Refused
from sweeps.evidence.comparison import Comparison, Setting
from sweeps.evidence.grouping import axes
from sweeps.pages import sweep
from sweeps.pages.blocks import Heading, Page, Points, Table, Words
from sweeps.pages.curves import SCORE
from sweeps.pages.tables import setting_name
from sweeps.pages.writing import markdown

PROJECT = "side-by-side"  # conf/logger's
STEP = "trainer/global_step"  # what Lightning counts; W&B's own step counts rows of the log


def save(comparisons: Sequence[Comparison], pages: Sequence[Page]) -> list[str]:
    """Save all of them; returns a line with the address of each.

    Raises:
        Refused: when nobody is logged in, or the server cannot be reached.
    """
    import wandb

    try:
        entity = os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
        if not entity:
            raise Refused("--wandb needs an entity: WANDB_ENTITY names it.")
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        by_name = {page.name: page for page in pages}
        return [
            f"{what}: {one.save().url}"
            for told in comparisons
            for what, one in views(told, by_name[sweep.name_of(told)], entity, project).items()
        ]
    except (wandb.errors.UsageError, wandb.errors.CommError) as error:  # pyright: ignore
        reason = " ".join(str(error).split())
        raise Refused(f"--wandb needs W&B: `wandb login`, or WANDB_API_KEY and WANDB_BASE_URL ({reason}).") from error


def views(told: Comparison, page: Page, entity: str, project: str) -> dict[str, Any]:
    """The report and the workspace, not yet saved."""
    return {"report": report(told, page, entity, project), "workspace": workspace(told, page, entity, project)}


def report(told: Comparison, page: Page, entity: str, project: str) -> Any:
    """The page's words and tables, then the panels of each setting."""
    import wandb_workspaces.reports.v2.interface as reports

    blocks: list[Any] = [reports.H1(page.title), reports.P(page.lead)]
    for block in page.blocks:
        if isinstance(block, Heading):
            blocks.append(reports.H2(block.text))
        elif isinstance(block, Words):
            blocks.append(reports.CalloutBlock(block.text) if block.kind == "banner" else reports.P(block.text))
        elif isinstance(block, Points):
            blocks.append(reports.MarkdownBlock(markdown_list(block)))
        elif isinstance(block, Table) and block.name != "runs":
            blocks += [reports.H3(block.title), reports.MarkdownBlock(markdown(block)), reports.P(block.caption)]
    for setting in told.settings:
        name = setting_name(setting, told.settings)
        keys = [f"config.{key}" for key in keys_of(told)]
        runs = reports.Runset(name=name, filters=chosen(told, setting), groupby=keys)
        blocks += [reports.H2(f"Panels: {name}"), reports.PanelGrid(runsets=[runs], panels=panels(told, setting))]
    return reports.Report(entity=entity, project=project, title=page.title, description=page.lead, blocks=blocks)


def workspace(told: Comparison, page: Page, entity: str, project: str) -> Any:
    """A section of panels for each setting."""
    import wandb_workspaces.workspaces as workspaces

    sections = [
        workspaces.Section(
            name=setting_name(setting, told.settings),
            panels=panels(told, setting),
            is_open=True,
        )
        for setting in told.settings
    ]
    runs = workspaces.RunsetSettings(filters=chosen(told), groupby=[workspaces.Config(key) for key in keys_of(told)])
    return workspaces.Workspace(entity=entity, project=project, name=page.name, sections=sections, runset_settings=runs)


def keys_of(told: Comparison) -> list[str]:
    """The sweep's parameters that tell rows apart."""
    return axes([*(result.point for result in told.found.results), *told.found.missing])


def chosen(told: Comparison, setting: Setting | None = None) -> str:
    """A filter: the sweep's runs at this scale, of this task.

    What further overrides did is not in every run's configuration under their names: such runs are named.
    """
    parts = [f"Metric('Group') == {told.name!r}"]
    parts += [f"Config('scale') == {told.scale!r}"] if told.scale else []
    if told.overrides and told.finished:
        parts.append(f"SummaryMetric('name') in {sorted(one.name for one in told.finished)!r}")
    if setting is not None and len({one.task for one in told.settings}) > 1:
        parts.append(f"Tags() in [{setting.task!r}]")  # the configuration of an agent's run may have no data.task
    return " and ".join(parts)


def panels(told: Comparison, setting: Setting) -> list[Any]:
    """Curve, bars and cost of one setting."""
    import wandb_workspaces.reports.v2.interface as reports

    group, score = next((f"config.{key}" for key in keys_of(told)), None), measured(told, setting)
    spread: dict[str, Any] = {"groupby": group, "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    name = f"{setting.task}, {setting.metric}"
    return [
        reports.LinePlot(title=f"Learning: {setting.task}", x=STEP, y=[SCORE], **(spread if group else {})),
        reports.BarPlot(title=f"Scores: {name}", metrics=[score], **(spread if group else {})),
        reports.ScatterPlot(
            title=f"Cost (FLOPs) and score: {name}",
            x=reports.SummaryMetric("cost.flops"),
            y=reports.SummaryMetric(score),
            log_x=True,
        ),
    ]


def measured(told: Comparison, setting: Setting) -> str:
    """The name under which a run logs the setting's metric."""
    results = [result for row in told.rows for result in told.groups[row, setting].results]
    names = results[0].record["metrics"] if results else {}
    return next((name for name in names if name.startswith("test_") and name.endswith(f"/{setting.metric}")), SCORE)


def markdown_list(block: Points) -> str:
    return "\n".join([f"**{block.title}**", "", *(f"- {line}" for line in block.lines)])
