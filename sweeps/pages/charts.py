"""Drawings of a comparison. Each is of one setting (task, metric, text): nothing else ever shares its axes."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.evidence.comparison import Comparison, Group, Setting
from sweeps.evidence.intervals import halfwidth
from sweeps.evidence.picture import COLOURS
from sweeps.pages.blocks import Figure, file_name
from sweeps.pages.figures import Groups, clear, colour, layout, look, named, plain, scored, short, unit
from sweeps.pages.links import Links
from sweeps.showing.ladders import of_metrics

LOWEST, BESIDE, BAR = 352, 90, 24  # pixels: of bars' whole figure, of its axis, and of a bar
NO_ROWS = "#8c96a8"  # a colour that no row has in the curves


def bars(told: Comparison, setting: Setting, anchor: str, links: Links) -> Figure | None:
    """The rows' means with 95 % intervals, and each run as a dot; bars lie, so that each has room for its name."""
    groups = scored(told, setting)
    if not groups:
        return None
    names = [short(group.row) for _, group in groups]
    halves = [halfwidth(group.replicates) for _, group in groups]
    traces = [mean_bars(groups, names, halves), run_dots(groups, setting, links)]
    downward = {"tickvals": list(range(len(groups))), "ticktext": names, "showgrid": False, "zeroline": False}
    downward |= {"autorange": "reversed"}
    shapes, told_ladder = ladder_lines(groups, setting)
    what = "encoders" if told.has_encoders else "runs"
    lowest = min(
        (group.mean or 0.0) - (0 if half != half else half) for (_, group), half in zip(groups, halves, strict=True)
    )
    from_zero = " The axis begins at 0." if lowest >= 0 else ""
    caption = (
        f"Each bar is a row's mean on {setting.task} with its 95 % t interval over {what} (none where there is one); "
        f"each dot is a run, and a click on it opens its record.{from_zero}{told_ladder}"
    )
    rows = [
        (group.row, group.mean, "" if half != half else half, group.encoders, len(group.results))
        for (_, group), half in zip(groups, halves, strict=True)
    ]
    return Figure(
        f"{anchor}-scores",
        f"Scores: {named(setting)}",
        caption,
        traces,
        layout(
            unit(setting),
            "row of the table",
            xaxis={"rangemode": "tozero"},
            yaxis=downward,
            shapes=shapes,
            bargap=0.2,
            height=max(LOWEST, BESIDE + BAR * len(groups)),
        ),
        ("row", "mean", "half_width_of_95_percent", "encoders", "runs"),
        rows,
    )


def mean_bars(groups: Groups, names: Sequence[str], halves: Sequence[float]) -> dict[str, Any]:
    """A bar for each row, in the colour of its curves; in one colour where there are too few for all rows."""
    last, _ = groups[-1]
    return {
        "type": "bar",
        "orientation": "h",
        "name": "mean",
        "y": list(range(len(groups))),
        "text": list(names),
        "textposition": "none",
        "x": [group.mean for _, group in groups],
        "marker": {"color": [clear(colour(i) if last < len(COLOURS) else NO_ROWS, 0.55) for i, _ in groups]},
        "error_x": {"type": "data", "array": [0 if half != half else half for half in halves], "thickness": 1.5},
        "hovertemplate": "%{text}: %{x:.1f}<extra></extra>",
        "showlegend": False,
    }


def run_dots(groups: Groups, setting: Setting, links: Links) -> dict[str, Any]:
    """A dot for each run, beside the interval of its row."""
    runs = [(at - 0.3, result) for at, (_, group) in enumerate(groups) for result in group.results]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "each run",
        "x": [result.value(setting.metric) for _, result in runs],
        "y": [at for at, _ in runs],
        "customdata": [links.record(result) for _, result in runs],
        "text": [plain(result.name) for _, result in runs],
        "marker": {"color": "#7f7f7f", "size": 6, "opacity": 0.8},
        "hovertemplate": "%{text}: %{x:.1f}<extra></extra>",
        "showlegend": False,
    }


def ladder_lines(groups: Groups, setting: Setting) -> tuple[list[dict[str, Any]], str]:
    """Lines for what is known to be reachable in generated data: without reading, and with less than all of it."""
    rungs = rungs_of(groups[0][1], setting)
    if not rungs:
        return [], ""
    below = {name: value for name, value in rungs.items() if value < max(rungs.values())}
    lines = {"majority": rungs.get("majority"), (best := max(below, key=lambda name: below[name])): below[best]}
    shapes = [
        {
            "type": "line",
            "yref": "paper",
            "x0": value,
            "x1": value,
            "y0": 0,
            "y1": 1,
            "line": {"dash": dash, "width": 1.5, "color": "#7f7f7f"},
        }
        for (_, value), dash in zip(lines.items(), ("dot", "dash"), strict=False)
        if value is not None
    ]
    said = "; ".join(
        f"{dash}: {name} {value:.1f}"
        for (name, value), dash in zip(lines.items(), ("dotted", "dashed"), strict=False)
        if value is not None
    )
    return shapes, f" Lines are known of this generated text ({said})."


def rungs_of(group: Group, setting: Setting) -> Mapping[str, float]:
    """The ladder of a setting on generated data."""
    return of_metrics(group.results[0].record).get(setting.metric, {})


def costs(told: Comparison, setting: Setting, anchor: str, links: Links) -> Figure | None:
    """Score against the floating-point operations of a transfer and of the pre-training behind it."""
    groups = scored(told, setting)
    traces, rows, is_without = [], [], False
    for i, group in groups:
        own, _, mark = look(i)
        spent = [links.flops(result) for result in group.results]
        is_without |= any(
            result.encoder is not None and not whole for result, (_, whole) in zip(group.results, spent, strict=True)
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": short(group.row),
                "x": [flops for flops, _ in spent],
                "y": [result.value(setting.metric) for result in group.results],
                "customdata": [links.record(result) for result in group.results],
                "text": [plain(result.name) for result in group.results],
                "marker": {"color": own, "symbol": mark, "size": 9},
                "hovertemplate": "%{text}: %{y:.1f} for %{x:.2s} FLOPs<extra></extra>",
            }
        )
        rows += [
            (group.row, result.name, flops, result.value(setting.metric))
            for result, (flops, _) in zip(group.results, spent, strict=True)
        ]
    if not rows or all(flops is None for _, _, flops, _ in rows):
        return None
    lacking = " Of some encoders the record is not here: their points have the cost of the transfer alone." * is_without
    caption = (
        "Each point is a run: what its training took, the pre-training of its encoder counted whole, against its "
        f"score. The cost axis is logarithmic; neither axis begins at 0.{lacking}"
    )
    return Figure(
        f"{anchor}-costs",
        f"Cost against score: {named(setting)}",
        caption,
        traces,
        layout("training cost (FLOPs)", unit(setting), xaxis={"type": "log", "exponentformat": "power"}),
        ("row", "run", "flops", setting.metric),
        rows,
    )


def layers(told: Comparison, setting: Setting, anchor: str) -> list[Figure]:
    """The weights that learnt mixes give to layers, the means over runs: a map for each place of the mix."""
    groups = [group for _, group in scored(told, setting)]
    places = dict.fromkeys(
        place for group in groups for result in group.results for place in result.record.get("mix", {})
    )
    return [one for place in places if (one := layer_map(groups, setting, place, anchor)) is not None]


def layer_map(groups: Sequence[Group], setting: Setting, place: str, anchor: str) -> Figure | None:
    """One place's map: rows of the table by layers."""
    found = {}
    for group in groups:
        mixes = [result.record.get("mix", {}).get(place, {}).get("weights") for result in group.results]
        mixes = [weights for weights in mixes if weights]
        if mixes and len({len(weights) for weights in mixes}) == 1:
            found[group.row] = [sum(own) / len(mixes) for own in zip(*mixes, strict=True)]
    if not found:
        return None
    deepest = max(map(len, found.values()))
    trace = {
        "type": "heatmap",
        "x": [f"layer {number}" for number in range(deepest)],
        "y": [short(row) for row in found],
        "z": [[*weights, *[None] * (deepest - len(weights))] for weights in found.values()],
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "texttemplate": "%{z:.2f}",
        "colorbar": {"title": {"text": "weight"}},
        "hovertemplate": "%{y}, %{x}: %{z:.3f}<extra></extra>",
    }
    caption = (
        f"How much each layer of the frozen encoder counts in the mix at the {place} of {setting.task}'s network, the "
        "mean over runs; weights of a row add up to 1, layer 0 is the words themselves."
    )
    return Figure(
        f"{anchor}-layers-{file_name(place)}",
        f"Learnt layer weights ({place}): {setting.task}",
        caption,
        [trace],
        layout("layer of the encoder", "row of the table", yaxis={"autorange": "reversed"}),
        ("row", *trace["x"]),
        [(row, *weights) for row, weights in found.items()],
    )
