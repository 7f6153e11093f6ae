"""Standards: what ships is cited number by number, and a file with one fault is refused naming file and entry."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest

from qbresearch.errors import InputError
from qbresearch.provenance import file_sha256
from qbresearch.rules.citations import CITED, STATUSES, status_words
from qbresearch.rules.columns import load_table
from qbresearch.rules.standards import (
    COMPOSITE_CV,
    CV,
    Standard,
    check_standards,
    latest_standard,
    list_standards,
    load_standard,
    read_standard,
    school_year_start,
)

MALFORMED = Path(__file__).parents[1] / "malformed" / "standards"
ON = date(2023, 9, 1)
ENTRY_KINDS = ("indicator", "threshold", "cap", "rule", "scope", "split", "rounding")
shipped = pytest.mark.parametrize("standard_id", list_standards())


def file_of(standard_id: str) -> dict:
    return tomllib.loads((CITED / "standards" / f"{standard_id}.toml").read_text(encoding="utf-8"))


def refusal(name: str, on: date = ON) -> InputError:
    with pytest.raises(InputError) as caught:
        read_standard(MALFORMED / f"{name}.toml", on=on)
    return caught.value


# --- one fault a file -----------------------------------------------------------------------------------------------

FAULTS = {
    "unknown-key": ["有不认识的键", "第 1 个 [[threshold]]", "at_leest", "at_least"],
    "unknown-top-key": ["有不认识的键", "version"],
    "missing-unit": ["缺少必填的键", "第 2 个 [[threshold]]", "没有 unit"],
    "missing-clause": ["缺少必填的键", "第 1 个 [[cap]]", "没有 clause"],
    "missing-status": ["缺少必填的键", "第 1 个 [[rounding]]", "没有 status"],
    "missing-rounding": ["缺少必填的键", "没有 rounding"],
    "empty-quote": ["条款或原句是空的", "第 1 个 [[threshold]]"],
    "empty-clause": ["条款或原句是空的", "第 2 个 [[threshold]]"],
    "number-not-in-quote": ["原句里没有这个数", "第 2 个 [[threshold]]", "26 不见于", "达到 25 册", "reading"],
    "scale-not-in-quote": ["原句里没有这个数", "第 1 个 [[indicator]]", "100 不见于"],
    "unknown-source": ["没有登记的出处", "第 1 个 [[threshold]]", "'samples'", "sample"],
    "bad-status": ["状态不在约定之内", "第 1 个 [[indicator]]", "'official'", "law、copy、practice、unverified"],
    "duplicate-entry": ["同一天有两条规定", "第 2 个 [[threshold]]", "X1", "valid"],
    "other-id": ["id 与文件名不一致", "'sample-2020'", "'other-id'"],
    "unknown-kind": ["没有这个类别", "'evalution'", "是不是想写 evaluation"],
    "unknown-stage": ["没有这个stage", "第 1 个 [[threshold]]", "'junior'", "primary"],
    "unknown-indicator": ["没有这个indicator", "第 2 个 [[threshold]]", "'X2'", "X1"],
    "numerator-twice": ["分子没有说清", "第 1 个 [[indicator]]", "add 与 rate"],
    "valid-unknown-key": ["有不认识的键", "第 1 个 [[threshold]] 的 valid", "until", "from、to"],
    "not-toml": ["不是合格的 TOML", "line 8"],
    "duplicate-indicator": ["X1", "第 2 个 [[indicator]]"],
    "unknown-column": ["boks", "第 1 个 [[indicator]]"],
}
READABLE = {"two-periods", "unverified-split"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_with_one_fault_is_refused_naming_file_and_entry(name: str) -> None:
    error = refusal(name, on=date(2022, 9, 1))
    message = str(error)
    assert f"{name}.toml" in message
    for words in FAULTS[name]:
        assert words in message
    assert all(f"\n  {part}：" in message for part in ("位置", "看到", "应为", "办法"))


def test_every_malformed_file_has_its_expected_words() -> None:
    assert {p.stem for p in MALFORMED.glob("*.toml")} == set(FAULTS) | READABLE


def test_the_malformed_files_are_sound_but_for_their_fault() -> None:
    for name in READABLE:
        assert isinstance(read_standard(MALFORMED / f"{name}.toml", on=ON), Standard)


def test_a_file_that_is_not_there_is_refused() -> None:
    message = str(refusal("nowhere"))
    assert "找不到文件" in message and "nowhere.toml" in message


# --- validity -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "threshold"),
    [(date(2020, 1, 1), 20), (date(2022, 8, 31), 20), (date(2022, 9, 1), 25), (date(2030, 1, 1), 25)],
)
def test_the_entry_in_force_on_the_day_is_the_one_that_counts(on: date, threshold: float) -> None:
    standard = read_standard(MALFORMED / "two-periods.toml", on=on)
    assert standard.threshold("X1", "primary").value == threshold and len(standard.thresholds) == 1
    assert standard.cap(CV, "primary").value == 0.5 and standard.on == on


def test_two_entries_may_not_be_in_force_on_the_same_day_but_the_file_reads_on_other_days() -> None:
    path = MALFORMED / "duplicate-entry.toml"
    assert read_standard(path, on=date(2022, 8, 31)).threshold("X1", "primary").value == 20
    assert read_standard(path, on=date(2022, 9, 2)).threshold("X1", "primary").value == 25
    assert "同一天有两条规定" in str(refusal("duplicate-entry", on=date(2022, 9, 1)))


def test_a_day_before_the_standard_is_refused_with_the_first_day() -> None:
    message = str(refusal("two-periods", on=date(2019, 12, 31)))
    assert "没有生效" in message and "2019-12-31" in message and "2020-01-01 起" in message


@shipped
def test_shipped_standards_are_refused_before_they_were_in_force(standard_id: str) -> None:
    first = file_of(standard_id)["valid"]["from"]
    assert load_standard(standard_id, on=first).id == standard_id
    with pytest.raises(InputError, match=f"{first:%Y-%m-%d} 起"):
        load_standard(standard_id, on=first - timedelta(days=1))


def test_a_school_year_begins_in_september() -> None:
    assert school_year_start(2024) == date(2024, 9, 1)


# --- what ships -----------------------------------------------------------------------------------------------------


def test_four_standards_ship_and_can_all_be_read() -> None:
    assert set(list_standards()) >= {"national-2017", "basic-2012", "california-1999", "michigan-2001"}
    assert check_standards() == list_standards()


def test_an_unknown_standard_is_refused_with_the_choices_and_a_guess() -> None:
    with pytest.raises(InputError, match="没有这个标准") as caught:
        load_standard("national-2071", on=ON)
    assert "basic-2012" in str(caught.value) and "是不是想写 national-2017" in str(caught.value)


@shipped
def test_every_number_that_ships_has_unit_status_clause_quotation_and_source(standard_id: str) -> None:
    standard, data = latest_standard(standard_id), file_of(standard_id)
    rows = standard.tidy()
    in_force = [
        e for kind in ENTRY_KINDS if kind != "indicator" for e in data.get(kind, ())
        if e.get("valid", {}).get("from", standard.on) <= standard.on <= e.get("valid", {}).get("to", standard.on)
    ]
    assert len(rows) == len(in_force)
    for column in ("entry", "value", "status", "clause", "quote", "source"):
        assert rows[column].str.strip().ne("").all(), column
    numeric = rows["value"].str.contains(r"\d")
    assert rows.loc[numeric, "unit"].str.strip().ne("").all()
    assert set(rows["status"]) <= set(status_words().values())
    assert set(rows["source"]) <= {source.title_zh for source in standard.sources.values()}


@shipped
def test_every_number_of_the_file_stands_in_its_table(standard_id: str) -> None:
    standard, data = latest_standard(standard_id), file_of(standard_id)
    values = standard.tidy()["value"].tolist()
    for kind, key, form in (
        ("threshold", "at_least", "≥ {:g}"), ("cap", "at_most", "≤ {:g}"), ("rule", "value", "≥ {:g}"),
        ("rounding", "value", "{:g}"),
    ):
        for entry in data.get(kind, ()):
            assert form.format(entry[key]) in values


@shipped
def test_every_indicator_is_defined_in_words_for_every_stage(standard_id: str) -> None:
    standard, data = latest_standard(standard_id), file_of(standard_id)
    label = load_table(standard.table).label
    for stage in standard.stages:
        rows = standard.definitions(stage.id)
        assert rows["code"].tolist() == [e["code"] for e in data["indicator"]]
        for formula, entry in zip(rows["formula"], data["indicator"], strict=True):
            assert ("×100" in formula) == (entry["scale"] == 100 and "add" in entry)
            for name in (*entry.get("add", {}).get(stage.id, ()), *entry.get("subtract", {}).get(stage.id, ())):
                assert label(name) in formula
        assert rows[["label", "unit", "shared", "status", "source"]].ne("").all(axis=None)


def test_l4_subtracts_indoor_sports_and_l5_adds_it() -> None:
    formulas = latest_standard("national-2017").definitions("primary").set_index("code")["formula"]
    assert formulas["L4"] == "（教学及辅助用房面积－室内体育用房面积）÷学生数"
    assert formulas["L5"] == "（运动场地面积＋室内体育用房面积）÷学生数"


@shipped
def test_every_source_is_used_and_says_where_it_is(standard_id: str) -> None:
    data = file_of(standard_id)
    used = {e["source"] for kind in ENTRY_KINDS for e in data.get(kind, ())}
    assert used <= {s["id"] for s in data["source"]}
    for source in data["source"]:
        assert source["title"] and source["read"] and source["where"]


@shipped
def test_every_column_an_indicator_needs_is_in_its_table_and_belongs_to_its_stage(standard_id: str) -> None:
    standard = latest_standard(standard_id)
    contract = load_table(standard.table)
    for stage in standard.stages:
        assert contract.column(stage.students).is_number
        for indicator in standard.indicators:
            for name in indicator.columns(stage.id):
                column = contract.column(name)
                assert column.is_number and column.stage in ("", stage.id), (indicator.code, name)


@shipped
def test_indicators_have_their_own_code_and_id_and_every_stage(standard_id: str) -> None:
    standard = latest_standard(standard_id)
    for values in ([i.code for i in standard.indicators], [i.id for i in standard.indicators]):
        assert len(set(values)) == len(values)
    for indicator in standard.indicators:
        for stage in standard.stages:
            assert indicator.columns(stage.id)


@shipped
def test_the_checksum_is_that_of_the_file(standard_id: str) -> None:
    assert latest_standard(standard_id).sha256 == file_sha256(CITED / "standards" / f"{standard_id}.toml")


def test_no_entry_of_the_national_standard_claims_to_be_the_law() -> None:
    data = file_of("national-2017")
    statuses = [e["status"] for kind in ENTRY_KINDS for e in data[kind]]
    assert "law" not in statuses and set(statuses) <= set(STATUSES)
    assert "法规原文" not in load_standard("national-2017", on=ON).tidy()["status"].tolist()


def test_both_rules_on_schools_are_named_as_unverified() -> None:
    (sentence,) = load_standard("national-2017", on=ON).unverified()
    for words in ("每校至少达标的项数（6）", "余项与标准之比的下限（0.85）", "未能在正式文本中核实", "网络问答页"):
        assert words in sentence


def test_open_scope_questions_are_unverified_and_stated_by_their_own_sentence() -> None:
    standard = load_standard("national-2017", on=ON)
    assert {c for c, r in standard.scope.items() if r.citation.status == "unverified"} == {"private", "not_county_run"}
    assert all(r.other_reading for r in standard.scope.values() if r.citation.status == "unverified")


def test_the_unverified_indicator_of_basic_balance_is_named() -> None:
    (sentence,) = load_standard("basic-2012", on=ON).unverified()
    assert "B2" in sentence


def test_unverified_split_weights_and_rounding_are_named_too() -> None:
    sentences = read_standard(MALFORMED / "unverified-split.toml", on=ON).unverified()
    assert "九年一贯制学校" in "".join(sentences)
    assert "取整" in "".join(sentences)


def test_the_national_standard_has_two_stages_seven_indicators_and_a_cap_for_each_stage() -> None:
    standard = load_standard("national-2017", on=ON)
    assert [s.id for s in standard.stages] == ["primary", "junior"]
    assert [i.code for i in standard.indicators] == ["L1", "L2", "L3", "L4", "L5", "L6", "L7"]
    assert set(standard.thresholds) == {(i.code, s.id) for i in standard.indicators for s in standard.stages}
    assert set(standard.caps) == {(CV, "primary"), (CV, "junior")}
    assert set(load_standard("basic-2012", on=ON).caps) == {(COMPOSITE_CV, "primary"), (COMPOSITE_CV, "junior")}
    assert [standard.decimals(n) for n in ("value_decimals", "cv_decimals", "fragile_decimals")] == [2, 3, 2]


def test_the_foreign_indicator_sets_judge_nothing() -> None:
    for standard_id in ("california-1999", "michigan-2001"):
        standard = latest_standard(standard_id)
        assert standard.kind == "indicator-set"
        assert not standard.thresholds and not standard.caps and not standard.rules


def test_stages_and_indicators_are_looked_up_by_name_and_unknown_ones_refused() -> None:
    standard = load_standard("national-2017", on=ON)
    assert standard.stage("junior").label_zh == "初中" and standard.indicator("L6").counted_zh == "元"
    assert standard.threshold("L6", "junior").value == 2500 and standard.threshold("L9", "junior") is None
    with pytest.raises(InputError, match="没有这个学段"):
        standard.stage("senior")
    with pytest.raises(InputError, match="没有这个指标"):
        standard.indicator("L8")
