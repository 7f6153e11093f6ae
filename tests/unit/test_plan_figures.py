"""Figures of plans: timetables, progress, calendars, the prefecture's board, phases; bad frames are refused."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from qbresearch.errors import InputError
from qbresearch.exhibits import style
from qbresearch.exhibits.figures import plans as figures
from tests.unit.drawing import (
    NAN,
    check_drawn_twice_the_same,
    check_frames_left_alone,
    check_given_axes,
    check_other_types,
    check_texts_inside_and_apart,
    words,
)


def timetable() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "school": ["甲小学", "乙小学", "丙小学", "丁小学", "戊中学", "己中学"],
            "planned": [2024, 2024, 2024, 2025, 2027, 2024],
            "reached": [2023.0, 2024.0, 2025.0, NAN, NAN, NAN],
            "forecast": [NAN, NAN, NAN, 2028.0, 2061.0, NAN],
            "state": ["early", "on_time", "late", "overdue", "not_due", "undecided"],
        }
    )


def progress() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "year": [2024, 2025, 2026, 2027],
            "planned": [5, 10, 14, 18],
            "reached": [6.0, 7.0, NAN, NAN],
            "early": [2.0, 0.0, NAN, NAN],
            "undecided": [0.0, 2.0, 14.0, NAN],
        }
    )


def calendar() -> pd.DataFrame:
    rows = [
        ("甲县", "启动", 2025, "past", False), ("甲县", "攻坚", 2025, "past", False), ("甲县", "推进", 2024, "past", True),
        ("甲县", "迎检", 2026, "now", False), ("甲县", "巩固", NAN, "always", False), ("乙县", "启动", 2025, "past", False),
        ("乙县", "迎检", 2028, "ahead", False),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["county", "label", "year", "state", "before_issue"])


def warnings() -> pd.DataFrame:
    rows = [("甲县", 2025, "overdue"), ("甲县", 2025, "overdue"), ("甲县", 2026, "unknown"), ("乙县", 2027, "soon"), ("乙县", 2028, ""),
            ("甲县", 2024, "exempt"), ("乙县", NAN, "")]  # fmt: skip
    return pd.DataFrame(rows, columns=["county", "due", "warning"])


def board() -> pd.DataFrame:
    rows = [("甲县", "met", "not_met"), ("乙县", "undecided", ""), ("丙县", "not_met", "not_met")]
    return pd.DataFrame(
        [(name, label, verdict) for name, *verdicts in rows for label, verdict in zip(("G3", "G5"), verdicts, strict=True)],
        columns=["county", "label", "verdict"],
    )


def phases() -> pd.DataFrame:
    rows = [
        ("动员部署", "阶段", "2026-01", "2026-03", "done", ""), ("申报迎检", "阶段", "", "", "", ""),
        ("校舍改造", "项目", "2026", "2026", "running", ""), ("设备采购", "项目", "2025-06", "2025-12", "done_late", "2026-02"),
        ("综合楼", "项目", "2025-01", "2025-12", "late", ""), ("全面达标", "目标", "", "2027-12", "ahead", ""),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "group", "start", "end", "state", "finished"])


CASES = {
    figures.plot_timetable: lambda: (timetable(),),
    figures.plot_progress: lambda: (progress(),),
    figures.plot_calendar: lambda: (calendar(),),
    figures.plot_prefecture_board: lambda: (board(),),
    figures.plot_phases: lambda: (phases(),),
}
every_figure = pytest.mark.parametrize(("plot", "make"), CASES.items(), ids=lambda item: getattr(item, "__name__", ""))


@pytest.fixture(autouse=True)
def _clean():
    style.use_style()
    yield
    plt.close("all")


# --- what holds for all -------------------------------------------------------------------------------------------


@every_figure
def test_is_drawn_twice_the_same_into_new_and_given_axes_and_leaves_its_frame_alone(plot, make, caplog):
    check_drawn_twice_the_same(plot, make, caplog)
    check_frames_left_alone(plot, make)
    check_other_types(plot, make)
    plt.close("all")
    check_given_axes(plot, make, many=False)


@every_figure
def test_no_text_leaves_the_picture_or_lies_on_another(plot, make):
    check_texts_inside_and_apart(plot(*make()))


@every_figure
def test_a_missing_column_is_refused_by_name_and_a_frame_without_rows_says_why(plot, make):
    (data,) = make()
    for column in data.columns.drop("finished", errors="ignore"):
        with pytest.raises(InputError, match=f"缺少列 {column}"):
            plot(data.drop(columns=column))
    for empty in (data.iloc[:0], pd.DataFrame()):
        ax = plot(empty)
        assert len(ax.texts) == 1 and "没有" in ax.texts[0].get_text() and not ax.lines


@pytest.mark.parametrize("plot", [figures.plot_timetable, figures.plot_calendar, figures.plot_phases])
def test_a_state_that_does_not_exist_is_refused(plot):
    (data,) = CASES[plot]()
    data.loc[0, "state"] = "someday"
    with pytest.raises(InputError, match="someday"):
        plot(data)


# --- schools ------------------------------------------------------------------------------------------------------


def _marks(ax, marker: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for line in ax.lines if line.get_marker() == marker
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]  # fmt: skip


def test_every_school_has_the_year_of_the_plan_and_that_of_reaching_it():
    ax = figures.plot_timetable(timetable(), as_of=2026)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == ["甲小学", "乙小学", "丙小学", "己中学", "丁小学", "戊中学"]  # by the year of the plan
    assert _marks(ax, "^") == [(2023, 0)] and _marks(ax, "v") == [(2025, 2)]
    assert _marks(ax, "X") == [(2025, 4)] and _marks(ax, "s") == [(2024, 3)]
    rings = [xy for xy in _marks(ax, "o") if xy[1] == 1]
    assert rings == [(2024, 1), (2024, 1)]  # the ring of the plan around the mark of being on time
    assert "数据截至 2026 年" in words(ax)


def test_a_forecast_far_away_is_written_at_the_edge():
    ax = figures.plot_timetable(timetable(), as_of=2026)
    assert "2061 »" in words(ax) and ax.get_xlim()[1] < 2034
    assert _marks(ax, "D") == [(2028, 4), (2032, 5)]


def test_sixty_schools_are_drawn_and_more_refused():
    many = pd.concat([timetable()] * 10, ignore_index=True).assign(school=[f"某某镇中心学校第{i}教学点" for i in range(60)])
    check_texts_inside_and_apart(figures.plot_timetable(many))
    with pytest.raises(InputError, match="太多"):
        figures.plot_timetable(pd.concat([many, many.head(1)]))


def test_a_year_that_cannot_be_judged_has_no_bar_and_years_ahead_are_shaded():
    ax = figures.plot_progress(progress())
    bars = [(p.get_x() + p.get_width() / 2, p.get_y(), p.get_height()) for p in ax.patches if p.get_width() == pytest.approx(0.62)]
    assert bars == [(2024, 0, 4), (2025, 0, 7), (2024, 4, 2), (2025, 7, 2)]
    assert len([p for p in ax.patches if p.get_hatch()]) == 1
    shown = words(ax)
    assert {"2026 年以后尚无数据", "规划累计达标", "无法判定", "未到期而提前达标", "5", "4", "2", "18"} <= set(shown)
    step = next(line for line in ax.lines if line.get_drawstyle() == "steps-mid")
    assert list(step.get_ydata()) == [5, 10, 14, 18]


# --- counties -----------------------------------------------------------------------------------------------------


def _bands(ax) -> list[Rectangle]:
    return [p for p in ax.patches if isinstance(p, Rectangle) and p.get_width() > 0.5]


def test_stages_of_one_year_stand_below_each_other_and_what_holds_always_spans_all_years():
    ax = figures.plot_calendar(calendar(), warnings=warnings(), as_of=2026)
    bands = _bands(ax)
    assert len(bands) == len(calendar())
    launch, push = bands[0], bands[1]
    assert launch.get_x() == push.get_x() and push.get_y() > launch.get_y() + 0.8
    always = [b for b in bands if b.get_width() > 4]
    assert len(always) == 1 and always[0].get_hatch()
    assert always[0].get_y() > push.get_y() + 0.8
    assert [b.get_linestyle() != "-" for b in bands].count(True) == 1  # before the plan was issued
    assert max(b.get_linewidth() for b in bands) == 2.0
    assert [t.get_text() for t in ax.get_xticklabels()] == ["2024", "2025", "2026", "2027", "2028"]


def test_warnings_of_one_county_and_year_are_counted_at_one_mark():
    ax = figures.plot_calendar(calendar(), warnings=warnings(), as_of=2026)
    kinds = [line.get_marker() for line in ax.lines if line.get_marker() in ("X", "^", "s")]
    assert "不作预警" in words(ax)
    assert sorted(kinds) == ["X", "^", "s"] and "2" in words(ax)
    assert not [line for line in figures.plot_calendar(calendar()).lines if line.get_marker() == "X"]


def test_a_warning_of_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="没有这个预警"):
        figures.plot_calendar(calendar(), warnings=warnings().assign(warning="late"))


def test_the_board_counts_what_a_county_misses_and_keeps_the_order():
    ax = figures.plot_prefecture_board(board())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["甲县", "乙县", "丙县"]
    column = [t.get_text() for t in ax.texts if t.get_text() in ("1", "2")]
    assert column == ["1", "2"]


def test_thirty_one_indicators_and_sixty_counties_fit():
    data = pd.DataFrame(
        [(f"第{c}县", f"G{i}", "met" if (c + i) % 5 else "not_met") for c in range(60) for i in range(31)],
        columns=["county", "label", "verdict"],
    )
    check_texts_inside_and_apart(figures.plot_prefecture_board(data))


# --- phases and projects ------------------------------------------------------------------------------------------


def test_bars_cover_whole_months_and_a_date_alone_is_a_diamond():
    ax = figures.plot_phases(phases(), as_of="2026-02")
    bars = {round(p.get_y() + p.get_height() / 2): (p.get_x(), p.get_x() + p.get_width()) for p in ax.patches}
    assert bars[0] == pytest.approx((2026, 2026.25)) and bars[2] == pytest.approx((2026, 2027))
    assert bars[3] == pytest.approx((2025 + 5 / 12, 2026)) and 1 not in bars and 5 not in bars
    assert _marks(ax, "D") == [(2028, 5)] and _marks(ax, "|") == [(pytest.approx(2026 + 2 / 12), 3)]
    assert {"没有写明时间", "数据截至 2026-02", "阶段", "项目", "目标"} <= set(words(ax))


def test_every_state_has_a_shade_or_hatch_of_its_own():
    ax = figures.plot_phases(phases())
    looks = {(p.get_facecolor(), p.get_hatch()) for p in ax.patches}
    assert len(looks) == 4  # done, running, done late, late
    assert len({p.get_hatch() for p in ax.patches if p.get_hatch()}) == 2  # what is late is hatched, each in its way


def test_a_plan_without_any_date_says_so_and_a_month_that_is_none_is_refused():
    blank = phases().assign(start="", end="", finished="")
    assert figures.plot_phases(blank).texts[0].get_text() == "规划没有写明阶段和项目的起止时间"
    for bad in ("2026年3月", "2026-13"):
        with pytest.raises(InputError, match="月份的写法不对"):
            figures.plot_phases(phases().assign(end=bad))


def test_one_row_is_drawn():
    for plot, make in CASES.items():
        check_texts_inside_and_apart(plot(make()[0].head(1)))
    assert np.isfinite(figures.plot_progress(progress().head(1)).get_ylim()).all()
