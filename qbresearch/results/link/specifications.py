"""Specifications of a multiverse: every choice that could have been made, and the columns each one is fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from qbresearch.errors import InputError, check_choice

WHERE = "设定曲线"
PLAIN, LOGARITHM, WITHIN_STRATA, RANK = "level", "log", "z", "rank"
TRANSFORMS = (PLAIN, LOGARITHM, WITHIN_STRATA, RANK)
CLUSTERED, EFFECTS, MEANS, MULTILEVEL = "ols_cluster", "fixed_effects", "school_means", "multilevel"
MODELS = (CLUSTERED, EFFECTS, MEANS, MULTILEVEL)
Transform = Literal["level", "log", "z", "rank"]
Model = Literal["ols_cluster", "fixed_effects", "school_means", "multilevel"]


@dataclass(frozen=True, slots=True)
class Specification:
    """One way in which the coefficient could have been estimated.

    choices : dimension to choice, both Chinese. outcome, weights : columns. controls : columns. transform : of the
    term: as it is, logarithm, standardised within its stratum, or rank of the school. row_filter : Chinese name and
    boolean column of the rows that stay in. model : least squares with clustered standard errors, the same with county
    fixed effects, least squares on school means, or a random intercept of the school. main : whether it was chosen
    beforehand.
    """

    choices: Mapping[str, str]
    outcome: str
    model: Model
    transform: Transform = PLAIN
    controls: tuple[str, ...] = ()
    weights: str | None = None
    row_filter: tuple[str, str] | None = None
    main: bool = False


SETTABLE = {f.name for f in fields(Specification)} - {"choices", "main"}


def expand_specifications(
    dimensions: Mapping[str, Mapping[str, Mapping[str, Any]]], *, main: Mapping[str, str] | None = None
) -> tuple[Specification, ...]:
    """All combinations of the choices of every dimension.

    Parameters
    ----------
    dimensions : mapping
        Dimension to choice (both Chinese) to the fields of :class:`Specification` that this choice sets, for example
        ``{"模型": {"多层模型": {"model": "multilevel"}}, "学生背景": {"不控制": {}, "控制": {"controls": ["ses"]}}}``. Controls
        of several dimensions add up; every other field is set by one dimension only.
    main : mapping, optional
        Dimension to choice of the main specification; the first choice of every dimension without it.

    Returns
    -------
    tuple of Specification
        The last dimension varies fastest. One of them is ``main``.

    Raises
    ------
    InputError
        No dimension or choice, an unknown field, a field set by two dimensions, no outcome or model, or a main choice
        that does not exist.
    """
    if not dimensions or not all(dimensions.values()):
        raise InputError("没有可以组合的设定", where=WHERE, found=f"{len(dimensions)} 个维度", expected="至少一个维度，每个维度至少一个选项",
                         fix="写出每个维度的选项")
    for name, choice in (main or {}).items():
        check_choice(name, dimensions, name="维度", where=f"{WHERE}：主设定")
        check_choice(choice, dimensions[name], name=f"{name}的选项", where=f"{WHERE}：主设定")
    chosen = {name: next(iter(options)) for name, options in dimensions.items()} | dict(main or {})
    found = []
    for combination in product(*(options.items() for options in dimensions.values())):
        choices = {name: choice for name, (choice, _) in zip(dimensions, combination, strict=True)}
        found.append(Specification(choices, main=choices == chosen, **_merged(choices, [s for _, s in combination])))
    return tuple(found)


def _merged(choices: Mapping[str, str], settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for (dimension, choice), setting in zip(choices.items(), settings, strict=True):
        where = f"{WHERE}：{dimension}，{choice}"
        for name, value in setting.items():
            check_choice(name, sorted(SETTABLE), name="设定项", where=where)
            if name == "controls":
                merged[name] = tuple(dict.fromkeys([*merged.get(name, ()), *value]))
            elif name in merged:
                raise InputError(
                    "两个维度设定了同一项", where=where, found=name, expected="除控制变量外，每一项只由一个维度设定", fix="把它们合成一个维度"
                )
            else:
                merged[name] = tuple(value) if isinstance(value, list) else value
    for name in ("outcome", "model"):
        check_choice(name, tuple(merged), name="设定项", where=f"{WHERE}：{'、'.join(choices.values())}")
    return merged


def check_specifications(specifications: Sequence[Specification]) -> list[str]:
    """Names of the dimensions; refuses an empty list, differing dimensions, repeated choices and two main ones."""
    if not specifications:
        raise InputError("没有设定", where=WHERE, found="0 种", expected="至少一种设定", fix="用 expand_specifications 列出所有组合")
    dimensions = list(specifications[0].choices)
    if not dimensions or any(list(s.choices) != dimensions for s in specifications):
        raise InputError("各种设定的维度不同", where=WHERE, found=f"第一种的维度是 {'、'.join(dimensions)}", expected="维度都相同",
                         fix="不适用的选项也写出来（如“不加入”）")
    seen: dict[tuple[str, ...], int] = {}
    for number, specification in enumerate(specifications, 1):
        check_choice(specification.transform, TRANSFORMS, name="变换", where=f"{WHERE}：第 {number} 种")
        check_choice(specification.model, MODELS, name="模型", where=f"{WHERE}：第 {number} 种")
        first = seen.setdefault(tuple(specification.choices.values()), number)
        if first != number:
            raise InputError("同样的选项出现两次", where=WHERE, found=f"第 {first} 种与第 {number} 种", expected="每种组合一次",
                             fix="去掉重复的设定，否则它在汇总中算两次")
    if (count := sum(s.main for s in specifications)) > 1:
        raise InputError("主设定不止一种", where=WHERE, found=f"{count} 种", expected="至多一种", fix="只把事先选定的一种设为主设定")
    return dimensions


@dataclass(frozen=True, slots=True)
class Schools:
    """What belongs to schools rather than to students.

    codes (n,) : school of each row, 0 to G - 1. strata (G,) : stratum inside which schools may change places. terms :
    transform to standardised values (G,), or to the Chinese reason why there are none. movable (G,) : schools with a
    value of the term.
    """

    codes: np.ndarray
    strata: np.ndarray
    movable: np.ndarray
    terms: Mapping[str, np.ndarray | str] = field(repr=False)

    @classmethod
    def of_frame(
        cls, frame: pd.DataFrame, term: str, cluster: str, strata: Sequence[str], transforms: Sequence[str]
    ) -> Schools:
        """Read them off the rows; refuses a term or stratum that differs within a school."""
        _check_columns(frame, [term, cluster, *strata])
        codes = pd.factorize(frame[cluster])[0]
        if missing := int((codes < 0).sum()):
            raise InputError("有的行没有学校", where=f"{WHERE}：{cluster}", found=f"{len(frame)} 行中 {missing} 行",
                             expected="每行属于一所学校", fix="补上学校代码，或先明确剔除这些行")
        values = frame[term]
        if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
            raise InputError("自变量不是数", where=f"{WHERE}：{term}", found=str(values.dtype), expected="数值列",
                             fix="换一列，或先转换为数值")
        first = np.unique(codes, return_index=True)[1]
        for column in (term, *strata):
            own = frame[column].iloc[first].to_numpy()[codes]
            same = (frame[column] == own) | (frame[column].isna() & pd.isna(own))
            if not same.all():
                raise InputError(
                    "同一所学校有不同的取值", where=f"{WHERE}：{column}", found=f"{len(np.unique(codes[~same]))} 所学校",
                    expected="学校层面的变量，校内不变", fix="设定曲线用于学校层面的自变量；学生层面的变量可作控制变量",
                )
        groups = np.zeros(len(first), dtype=int)
        if strata:
            groups = frame[list(strata)].iloc[first].groupby(list(strata), dropna=False, sort=False).ngroup().to_numpy()
        x = values.iloc[first].to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(x).any():
            raise InputError("自变量有无穷大的数", where=f"{WHERE}：{term}", found=f"{int(np.isinf(x).sum())} 所学校",
                             expected="有限的数", fix="核对数据（如对 0 取了对数）")
        known = ~np.isnan(x)
        strata_of = groups if strata else None
        return cls(codes, groups, known, {t: _transformed(x, known, t, strata_of) for t in dict.fromkeys(transforms)})


def _check_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    if absent := [c for c in columns if c not in frame]:
        raise InputError("没有这一列", where=WHERE, found="、".join(absent), expected="、".join(map(str, frame.columns)),
                         fix="核对列名")
    if frame.empty:
        raise InputError("没有数据", where=WHERE, found="0 行", expected="至少一行", fix="核对数据表")


def _transformed(x: np.ndarray, known: np.ndarray, transform: str, strata: np.ndarray | None) -> np.ndarray | str:
    """The term in standard deviations between schools, each school counted once; or why that is not possible."""
    new, own = np.full(len(x), np.nan), x[known]
    if transform == LOGARITHM:
        if low := int((own <= 0).sum()):
            return f"{low} 所学校的值不大于 0，不能取对数"
        own = np.log(own)
    elif transform == RANK:
        own = stats.rankdata(own)
    elif transform == WITHIN_STRATA:
        if strata is None:
            return "没有给出分层，不能在层内标准化"
        by = pd.Series(own).groupby(strata[known])
        spread = by.transform("std").to_numpy()
        if flat := int((~(spread > 0)).sum()):
            return f"{flat} 所学校所在的层只有一所学校或没有差异，不能在层内标准化"
        own = (own - by.transform("mean").to_numpy()) / spread
    if len(own) < 2 or not np.std(own, ddof=1) > 0:
        return "学校之间没有差异，系数不能估计"
    new[known] = (own - own.mean()) / np.std(own, ddof=1)
    return new
