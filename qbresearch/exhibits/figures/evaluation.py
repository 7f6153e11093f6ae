"""Figures of the whole evaluation: the board of verdicts, margins, recognition, yearly increases, schools.

A tidy frame in, matplotlib axes out. Verdicts, margins, intervals and changes come with the frame; nothing is judged
here. Every verdict has a mark and a shade of its own, so that it is read without colour too. A frame without rows
draws a sentence in the picture's place.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from qbresearch.exhibits.canvas import (
    WIDTH,
    add_legend,
    check_count,
    check_ends,
    check_once,
    check_range,
    check_verdicts,
    dashed_handle,
    dot_handle,
    finite_unique,
    label_rows,
    literal_text,
    number_text,
    points_wide,
    read_frame,
    room_inside,
    row_height,
    row_wrap,
    side_column,
    signed_text,
    single_axes,
    text_width,
    verdict_handles,
    wrap_text,
)
from qbresearch.exhibits.evaluation_tables import limit_words, printed_code, value_words
from qbresearch.exhibits.figures.balance import MAX_ROWS
from qbresearch.exhibits.figures.empty import plot_nothing
from qbresearch.exhibits.figures.verdict_grid import (
    GRID_NAMES,
    MAX_COLUMNS,
    PART_WIDTH,
    grid_handles,
    part_head,
    row_labels,
    tile_frames,
    tile_handles,
    tile_words,
    verdict_grid,
)
from qbresearch.exhibits.style import MARKERS, PALETTE
from qbresearch.language import say, series

MAX_ITEMS = 72
TILES_A_ROW = 6
LONG_LABEL = 22  # Chinese characters beyond which rows of margins are high enough for two lines
VETO = "veto"
OTHERWISE = ("schools", "reported", "evidence")  # kinds of items that no single number of the county decides
FURTHEST = 1.0  # margins beyond the whole limit are drawn at the edge
LINES = ({"marker": "o", "color": "#332288", "linestyle": "-"}, {"marker": "D", "color": "#2A9D8F", "linestyle": (0, (4, 2))})


# --- the board --------------------------------------------------------------------------------------------------


def plot_verdicts(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw every item of the tree as a tile, part by part, with mark and shade for its verdict.

    Parameters
    ----------
    data : pandas.DataFrame
        The tree from the top down. Columns: ``code``, ``depth`` (0 the county, 1 parts, 2 items; deeper rows are not
        drawn), ``parent`` (code of the node above), ``label``, ``verdict`` (``met``, ``not_met``, ``undecided`` or
        empty) and ``decides`` (bool). ``short`` (a label of a few characters) is taken where it is there and not empty.
        At most 72 items.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Without axis lines; the parts at the left, with the number of items met in each.
    """
    if data.empty:
        return plot_nothing(say("没有可以列出的条目"), ax=ax)
    where = "评估结果总览图"
    frame = read_frame(data, where, text=("code", "parent", "label", "verdict"), numbers=("depth", "decides"))
    check_verdicts(frame["verdict"], where)
    short = data["short"].fillna("").astype(str).to_numpy() if "short" in data else np.full(len(data), "")
    frame["short"] = np.where(short == "", frame["label"], short)
    items = frame[frame["depth"].eq(2)]
    check_count(len(items), MAX_ITEMS, "条目", where)
    parts = [(part, items[items["parent"].eq(part.code)]) for part in frame[frame["depth"].eq(1)].itertuples()]
    rows = sum(max(1, math.ceil(len(children) / TILES_A_ROW)) for _, children in parts)
    ax, own = single_axes(ax, 0.55 + 0.5 * rows + 0.08 * len(parts))
    ax.set_axis_off()
    width = 0.97 * WIDTH * 72 if own else points_wide(ax) / 1.25  # without axis labels a figure of ours has its whole width
    wide = width / (TILES_A_ROW + PART_WIDTH)
    top, corners = 0.0, []
    for part, children in parts:
        height = max(1, math.ceil(len(children) / TILES_A_ROW))
        part_head(ax, top, height, part, children, wide)
        for place, item in enumerate(children.itertuples()):
            corner = (PART_WIDTH + place % TILES_A_ROW, top + place // TILES_A_ROW)
            corners.append((*corner, item.verdict))
            tile_words(ax, *corner, item, wide)
        top += height + 0.16
    tile_frames(ax, corners)
    ax.set_xlim(0, PART_WIDTH + TILES_A_ROW)
    ax.set_ylim(top - 0.16, 0)
    add_legend(ax, tile_handles(items["verdict"], vetoes=items["parent"].eq(VETO).any()), own, points_below=6)
    return ax


# --- margins ----------------------------------------------------------------------------------------------------


def plot_margins(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how far every number is from its limit, in parts of the limit, the worst on top.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a requirement, or the whole tree, of which the rows are taken that have no rows below them and a limit
        other than zero. Columns: ``code``, ``parent``, ``label``, ``verdict``, ``comparison``, ``unit``, ``percent``
        (bool), ``value``, ``limit`` and ``margin`` (on the right side of the limit positive; in the unit of the limit).
        Rows without a value are counted below the axis, not drawn: what is judged school by school, by reports or by
        documents (``kind`` of the item, where it is there) apart from what lacks data. At most sixty are drawn, the
        worst.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Margins beyond the whole limit are drawn at the edge with an arrow. Value and requirement stand at the right.
    """
    where = "与要求的差距图"
    if data.empty:
        return plot_nothing(say("没有可以比较的数值要求"), ax=ax)
    text = ("code", "parent", "label", "verdict", "comparison", "unit")
    frame = read_frame(data, where, text=text, numbers=("percent", "value", "limit", "margin"))
    check_verdicts(frame["verdict"], where)
    again = frame["code"].str.startswith("V-")  # a veto that repeats the requirement of another item
    kinds = data["kind"].to_numpy() if "kind" in data else ""
    leaves = frame.assign(kind=kinds)[~frame["code"].isin(set(frame["parent"])) & ~again]
    others = leaves["kind"].isin(OTHERWISE) | leaves["limit"].isna()
    leaves, other = leaves[~others & leaves["limit"].ne(0)], int(others.sum())
    leaves = leaves.assign(label=_distinct_labels(leaves, frame))
    known = leaves[leaves[["value", "margin"]].notna().all(axis=1)]
    if known.empty:
        return plot_nothing(say("没有可以比较的数值要求"), ax=ax)
    known = known.assign(relative=known["margin"] / known["limit"].abs())
    shown = known.sort_values("relative", kind="stable").head(MAX_ROWS).reset_index(drop=True)
    labels = [f"{printed_code(row.code)} {row.label}".strip() for row in shown.itertuples()]
    height = row_height(len(shown), 0.27 if max(map(text_width, labels)) < LONG_LABEL else 0.31)
    ax, own = single_axes(ax, 1.2 + height * len(shown))
    places = label_rows(ax, row_labels(labels, height, 17), math.inf)
    edge = float(np.clip(1.25 * shown["relative"].abs().quantile(0.9), 0.05, FURTHEST))
    ax.set_xlim(-edge * 1.04, edge * 1.04)
    ax.axvline(0, color=PALETTE["ink"], linewidth=1.1, zorder=2)
    _margin_rows(ax, places, shown, edge)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(_margin_axis(other, leaves, known, shown))
    values = [value_words(r.value, r.unit, bool(r.percent), limit=r.limit) for r in shown.itertuples()]
    # The label says what the year before is needed for; in the column it would take the room of the drawing.
    signs = shown["comparison"].replace("not_less", "at_least")
    limits = [limit_words(r.limit, sign, r.unit, bool(r.percent)) for r, sign in zip(shown.itertuples(), signs, strict=True)]
    first = 8 + _wide([say("实际"), *values])
    second = first + 10 + _wide([say("要求"), *limits])
    side_column(ax, first, say("实际"), places, values)
    side_column(ax, second, say("要求"), places, limits)
    ticks = [tick.get_text() for tick in ax.get_yticklabels()]
    ax.xaxis.set_major_locator(MaxNLocator(int(np.clip(room_inside(ax, ticks, own, second) / 48, 2, 6)), steps=[1, 2, 5, 10]))
    add_legend(ax, [*verdict_handles(shown["verdict"]), _limit_handle()], own)
    return ax


def _distinct_labels(leaves: pd.DataFrame, tree: pd.DataFrame) -> pd.Series:
    """Labels, with that of the node above in front of stages and where several rows have the same one."""
    above = leaves["parent"].map(dict(zip(tree["code"], tree["label"], strict=True))).fillna("")
    stage = leaves["code"].str.contains(":", regex=False)  # the label of a stage says nothing by itself
    same = (leaves["label"].duplicated(keep=False) | stage) & above.ne("") & above.ne(leaves["label"])
    return leaves["label"].where(~same, above + " " + leaves["label"])


def _wide(texts: list[str]) -> float:
    """Points of width of a column of texts of 8.5 points."""
    return 8.3 * max(map(text_width, texts))


def _limit_handle() -> Artist:
    handle = dashed_handle(say("要求（0 处）"))
    handle.set_linestyle("-")
    return handle


def _margin_rows(ax: Axes, places: np.ndarray, rows: pd.DataFrame, edge: float) -> None:
    """The marks of :func:`plot_margins`, and numbers where one would stand beyond the edge."""
    relative, kinds = rows["relative"].to_numpy(), rows["verdict"].replace("", "plain").to_numpy(dtype=object)
    ends = np.clip(relative, -edge, edge)
    ax.hlines(places, 0, ends, color=[PALETTE[kind] for kind in kinds], linewidth=2.2, alpha=0.7, zorder=3)
    for kind in dict.fromkeys(kinds):
        here = kinds == kind
        look = {"color": PALETTE[kind], "markeredgecolor": "white", "linestyle": "none", "zorder": 4, "clip_on": False}
        ax.plot(ends[here], places[here], marker=MARKERS[kind], markersize=7.5, **look)
    for place in np.flatnonzero(np.abs(relative) > edge):
        end = ends[place]
        text = f"{signed_text(100 * relative[place], 0)}% {'»' if end > 0 else ''}".strip()
        ax.annotate(text if end > 0 else f"« {text}", (end, place), xytext=(-8 if end > 0 else 8, 0), zorder=5, va="center",
                    textcoords="offset points", ha="right" if end > 0 else "left", fontsize=7.5,
                    path_effects=[withStroke(linewidth=2.4, foreground="white")])  # fmt: skip


def _margin_axis(other: int, leaves: pd.DataFrame, known: pd.DataFrame, shown: pd.DataFrame) -> str:
    parts = [say("与要求相差的比例（右侧为符合要求的方向，%）")]
    if other:
        parts.append(say("另有 {n} 项按校核查或凭材料判定，不在图中", n=other))
    if len(leaves) > len(known):
        parts.append(say("另有 {n} 项缺数据", n=len(leaves) - len(known)))
    if len(known) > len(shown):
        parts.append(say("另有 {n} 项差距更小，未画", n=len(known) - len(shown)))
    return "\n".join([parts[0], series(parts[1:])]).strip()


# --- recognition ------------------------------------------------------------------------------------------------


def plot_recognition(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of satisfied answers in every group of respondents with its interval and the threshold.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a group, and usually one for all, in drawing order, at most sixty. Columns: ``label`` (group),
        ``share`` (0 to 1; NaN where nobody answered), ``low`` and ``high`` (Wilson interval, 0 to 1; not drawn where
        one is NaN), ``threshold`` (0 to 1; NaN for none), ``valid`` (answers) and ``verdict`` (``met``, ``not_met``,
        ``undecided`` or empty).
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        Share and number of answers stand in columns at the right.
    """
    if data.empty:
        return plot_nothing(say("没有社会认可度调查数据"), ax=ax)
    where = "社会认可度图"
    numbers = ("share", "low", "high", "threshold", "valid")
    frame = read_frame(data, where, text=("label", "verdict"), numbers=numbers)
    check_verdicts(frame["verdict"], where)
    check_ends(frame, where)
    for name in ("share", "low", "high", "threshold"):
        check_range(frame[name], 0.0, 1.0, where)
    check_count(len(frame), MAX_ROWS, "组", where)
    height = row_height(len(frame), 0.3)
    ax, own = single_axes(ax, 1.25 + height * len(frame))
    places = label_rows(ax, list(frame["label"]), row_wrap(height, 14))
    least = float(np.nanmin([*frame["low"], *frame["share"], *frame["threshold"], 1.0]))
    ax.set_xlim(max(0.0, math.floor(20 * (least - 0.015)) / 20), 1.004)
    for place, row in zip(places, frame.itertuples(), strict=True):
        _recognition_row(ax, place, row)
    thresholds = finite_unique(frame["threshold"])
    dashes = {"color": PALETTE["ink"], "linestyle": (0, (4, 2)), "linewidth": 1.1, "zorder": 2}
    if len(thresholds) == 1 and frame["threshold"].notna().all():
        ax.axvline(thresholds[0], **dashes)
    else:
        judged = frame["threshold"].notna().to_numpy()
        ax.vlines(frame["threshold"][judged], places[judged] - 0.46, places[judged] + 0.46, **dashes)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel(say("满意的比例及其 95% 区间（Wilson 法，%）"))
    shares = [value_words(s, "", True, limit=t) for s, t in zip(frame["share"], frame["threshold"], strict=True)]
    first = 8 + _wide([say("满意比例"), *shares])
    side_column(ax, first, say("满意比例"), places, shares)
    counts = [value_words(v, "", False) for v in frame["valid"]]
    side_column(ax, first + 10 + _wide([say("有效份数"), *counts]), say("有效份数"), places, counts)
    handles = [*verdict_handles(frame["verdict"])]
    if frame["verdict"].eq("").any():
        handles.append(dot_handle("", say("不单独判定")))
    if thresholds:
        words = say("要求 {value}", value="／".join(f"{number_text(100 * t)}%" for t in thresholds))
        handles.append(dashed_handle(words))
    add_legend(ax, handles, own)
    return ax


def _recognition_row(ax: Axes, place: float, row: tuple) -> None:
    """One group of :func:`plot_recognition`."""
    kind = row.verdict or "plain"
    if np.isnan(row.share):
        ax.annotate(say("没有有效答卷"), (ax.get_xlim()[0], place), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=8.5, color="#5A5A5A")  # fmt: skip
        return
    if not (np.isnan(row.low) or np.isnan(row.high)):
        ax.hlines(place, row.low, row.high, color=PALETTE[kind], linewidth=2.2, alpha=0.65, zorder=3)
        ax.vlines([row.low, row.high], place - 0.16, place + 0.16, color=PALETTE[kind], linewidth=1.2, zorder=3)
    ax.plot(row.share, place, marker=MARKERS[kind], markersize=8, color=PALETTE[kind], markeredgecolor="white", zorder=4,
            clip_on=False)  # fmt: skip


# --- yearly increases -------------------------------------------------------------------------------------------


def plot_increases(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw series over the years, each in a panel of its own, and mark where they fall.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a series and year. Columns: ``label`` (series), ``unit`` (of the amounts), ``year`` (whole number),
        ``value`` (nominal; NaN leaves a gap), ``real`` (in prices of one year; NaN where no index is known) and
        ``verdict`` (of the step from the year before: ``met``, ``not_met``, ``undecided``, or empty for the first
        year). At most four series, in order of appearance.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; the panels take their room.

    Returns
    -------
    matplotlib.axes.Axes
        The axes around the panels, themselves without lines; the panels are ``ax.child_axes``.
    """
    if data.empty:
        return plot_nothing(say("没有经费数据"), ax=ax)
    where = "经费逐年变化图"
    frame = read_frame(data, where, text=("label", "unit", "verdict"), numbers=("year", "value", "real"))
    check_verdicts(frame["verdict"], where)
    check_once(frame, ["year", "label"], where)
    groups = list(frame.groupby("label", sort=False))
    check_count(len(groups), 4, "序列", where)
    columns = min(len(groups), 2)
    rows = math.ceil(len(groups) / columns)
    ax, own = single_axes(ax, 0.35 + 2.15 * rows)
    ax.set_axis_off()
    if own:  # the layout engine counts what panels within axes have beside them twice
        ax.figure.set_layout_engine("none")
        low = 0.35 / ax.figure.get_figheight()
        ax.set_position([0.0, low, 1.0, 1 - low])
    box = ax.get_position()
    wide, high = box.width * ax.figure.get_figwidth() * 72, box.height * ax.figure.get_figheight() * 72
    for place, (label, part) in enumerate(groups):
        left, low = (place % columns) / columns + 48 / wide, 1 - (place // columns + 1) / rows + 18 / high
        panel = ax.inset_axes([left, low, 1 / columns - 54 / wide, 1 / rows - 48 / high])
        _increase_panel(panel, label, part.sort_values("year", kind="stable"), (wide / columns - 60) / 9.5)
    handles: list[Artist] = [dot_handle("plain", say("当年价"), linewidth=1.4, **LINES[0])]
    if frame["real"].notna().any():
        handles.append(dot_handle("plain", say("扣除物价因素（仅供参考）"), linewidth=1.2, **LINES[1]))
    if frame["verdict"].eq("not_met").any():
        handles.append(dot_handle("not_met", say("比上年减少"), markersize=8))
    if frame["verdict"].eq("undecided").any():
        handles.append(dot_handle("undecided", say("缺数据，无法判定")))
    add_legend(ax, handles, own)
    return ax


def _increase_panel(ax: Axes, label: str, rows: pd.DataFrame, room: float) -> None:
    """One series of :func:`plot_increases`."""
    scale, unit = _scale(rows)
    years, value, real = (rows[name].to_numpy() for name in ("year", "value", "real"))
    value, real = value / scale, real / scale
    ax.set_title(wrap_text(label, room))
    for numbers, look, width in ((real, LINES[1], 1.2), (value, LINES[0], 1.6)):
        ax.plot(years, numbers, markersize=4.5, markeredgecolor="white", linewidth=width, zorder=3, **look)
    falls = rows["verdict"].eq("not_met").to_numpy() & ~np.isnan(value)
    ax.plot(years[falls], value[falls], linestyle="none", marker=MARKERS["not_met"], markersize=9, zorder=5,
            color=PALETTE["not_met"], markeredgecolor="white")  # fmt: skip
    finite = np.concatenate([value[~np.isnan(value)], real[~np.isnan(real)]])
    if finite.size:
        span = np.ptp(finite) or abs(finite[0]) or 1.0
        ax.set_ylim(finite.min() - 0.22 * span, finite.max() + 0.16 * span)
    ax.set_xlim(years.min() - 0.4, years.max() + 0.4)
    for place in np.flatnonzero(falls):
        before = value[place - 1] if place else math.nan
        if before > 0:
            change = signed_text(100 * (value[place] / before - 1), 1)
            ax.annotate(f"{change}%", (years[place], value[place]), xytext=(0, 8), textcoords="offset points", ha="center",
                        va="bottom", fontsize=7.5, color=PALETTE["not_met"], fontweight="bold", zorder=6,
                        path_effects=[withStroke(linewidth=2.4, foreground="white")])  # fmt: skip
    open_ = rows["verdict"].eq("undecided").to_numpy()
    heights = np.where(np.isnan(value), ax.get_ylim()[0], value)
    ax.plot(years[open_], heights[open_], linestyle="none", marker=MARKERS["undecided"], zorder=5, clip_on=False,
            color=PALETTE["undecided"], markersize=7, markeredgecolor="white")  # fmt: skip
    ax.set_xticks(years[:: math.ceil(years.size / 7)])
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.grid(visible=False, axis="x")
    ax.set_ylabel(literal_text(unit))


def _scale(rows: pd.DataFrame) -> tuple[float, str]:
    """What amounts are divided by so that an axis has short numbers, and the unit that follows."""
    unit, most = rows["unit"].iloc[0], float(np.nanmax([*rows["value"], *rows["real"], 0.0]))
    if unit == say("元") and most >= 1e7:
        return (1e8, say("亿元")) if most >= 1e8 else (1e4, say("万元"))
    return 1.0, unit


# --- schools ----------------------------------------------------------------------------------------------------


def plot_school_evidence(data: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which school meets which requirement, schools with most unmet requirements on top.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a school and requirement. Columns: ``school``, ``label`` (requirement, at most 40, in order of
        appearance) and ``verdict`` (``met``, ``not_met``, ``undecided``, or empty where the requirement does not apply).
        A pair that is not there is drawn like an empty verdict. Of more than sixty schools the first sixty are drawn.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into.

    Returns
    -------
    matplotlib.axes.Axes
        The last column says how many requirements a school misses.
    """
    if data.empty:
        return plot_nothing(say("没有逐校判定的结果"), ax=ax)
    where = "逐校达标情况图"
    frame = read_frame(data, where, text=("school", "label", "verdict"), numbers=())
    check_verdicts(frame["verdict"], where)
    check_once(frame, ["school", "label"], where)
    wide = frame.pivot(index="school", columns="label", values="verdict").fillna("")
    wide = wide.reindex(index=frame["school"].unique(), columns=frame["label"].unique())
    check_count(wide.shape[1], MAX_COLUMNS, "要求", where)
    counts = pd.DataFrame({kind: wide.eq(kind).sum(axis=1) for kind in ("not_met", "undecided")})
    order = counts.sort_values(["not_met", "undecided"], ascending=False, kind="stable").index
    shown = wide.loc[order[:MAX_ROWS]]
    height = row_height(len(shown), 0.22 if shown.index.map(text_width).max() <= 1.2 * GRID_NAMES else 0.28)
    ax, own = single_axes(ax, 1.2 + height * len(shown))
    verdict_grid(ax, shown, height, own=own)
    misses = [str(n) if n else "" for n in counts.loc[shown.index, "not_met"]]
    heading = say("未达标")
    side_column(ax, 6 + _wide([heading]), heading, np.arange(len(shown)), misses)
    if len(wide) > len(shown):
        ax.set_xlabel(say("另有 {n} 所学校未达标项数不多于以上各校，未画", n=len(wide) - len(shown)))
    add_legend(ax, grid_handles(shown), own, points_below=8 if len(wide) <= len(shown) else 24)
    return ax
