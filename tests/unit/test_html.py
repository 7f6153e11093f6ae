"""Pages: everything escaped, nothing fetched, marks in words, structure for screen readers, the same bytes twice."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from qbresearch.exhibits.blocks import (
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.publication.document import STAGE_KEYS, Part, build_document
from qbresearch.publication.html import (
    render_formula,
    render_report,
)
from qbresearch.publication.index import render_index, search_key

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ATTACK = "<script>alert('县')</script>\"'&<img src=x onerror=alert(1)>"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """Every tag of a page with its attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in names]


def shown(block: Any) -> Any:
    return new_code_cell("code()", outputs=[new_output("execute_result", data=block._repr_mimebundle_())])


def table(columns: int = 3, name: str = "cv", **more: Any) -> TableBlock:
    heads = tuple({"label": f"列{i}（m²）", "align": "right" if i else "left"} for i in range(columns))
    rows = tuple((f"{school}小学", *["1.00"] * (columns - 1)) for school in ("甲", "乙", "丙"))
    return TableBlock(name, "各校情况", heads, rows, **more)


def report(
    *cells: Any, simulated: bool = False, title: str = "资源", missing: str = "",
    asked: dict[str, Any] | None = None, **values: Any,
) -> str:
    opening = OpeningBlock(title, (("数据", "甲表"),), ("小心。",), simulated)
    record = RecordBlock("county", {"county_name": "云岭县", "stage": "primary", "verdict": "not_met"} | values)
    parameters = {"source_id": "sim", "county_code": "530199", "school_year": 2024, "stage": "primary"}
    parameters |= asked or {}
    job = {"name": "20--primary", "notebook": "20-resource-balance", "parameters": parameters, "key": "cafe" * 16}
    notebook = new_notebook(cells=[shown(opening), *cells, shown(record)])
    parts = [Part(job, "", notebook)]
    if missing:
        parts.append(Part(job | {"name": "30", "notebook": "30-attainment"}, "学业质量", refusal=missing))
    return render_report(build_document(parts, run_id="demo", packages={"numpy": "2.4"}, code_sha256="ab12"))


def entry(name: str = "鄠邑区", code: str = "610118", **changes: Any) -> dict[str, Any]:
    stage = dict.fromkeys(STAGE_KEYS) | {
        "stage": "primary", "stage_label": "小学", "verdict": "not_met", "schools": 40, "schools_met": 31,
        "largest_cv": 0.561, "largest_cv_label": "设备值", "cv_over_cap": 1,
    }
    return {
        "slug": code, "file": f"html/{code}.html", "title": "报告", "source_id": "sim", "county_code": code,
        "county_name": name, "prefecture": "西安市", "school_year": "2024", "simulated": False, "stages": [stage],
        "missing": [], "jobs": [], "sections": 1, "records": [], "sha256": "",
    } | changes


def index(*reports: dict[str, Any], refused: tuple[dict[str, Any], ...] = ()) -> str:
    return render_index([{"run_id": "demo", "title": "示例", "reports": list(reports), "refused": list(refused)}])


def resources(page: Page) -> list[str]:
    """Everything a browser would load by itself."""
    loading = page.all("img", "script", "iframe", "source", "video", "audio", "embed", "input")
    found = [attrs.get(name) for attrs in loading for name in ("src", "srcset") if attrs.get(name)]
    return found + [attrs["href"] for attrs in page.all("link")]


# escaping


def test_markup_in_any_text_of_a_report_is_shown_and_not_run() -> None:
    block = TableBlock("t", ATTACK, ({"label": ATTACK, "align": "left"},), ((ATTACK,),), (ATTACK,), ATTACK, ("met",))
    html = report(
        new_markdown_cell(f"## {ATTACK}\n\n{ATTACK}\n\n<div onclick=alert(1)>x</div>\n\n[a](javascript:alert(1))"),
        shown(block),
        shown(FigureBlock("f", ATTACK, ATTACK, PNG, 2, 2, (ATTACK,), ATTACK)),
        shown(FindingBlock("k", ATTACK, "met", True)),
        title=ATTACK,
        missing=ATTACK,
        county_name=ATTACK,
        stage_label=ATTACK,
        largest_cv=0.5,
        largest_cv_label=ATTACK,
        standard_label=ATTACK,
    )
    page = Page(html)
    assert not page.all("script")
    assert [attrs["src"][:22] for attrs in page.all("img")] == ["data:image/png;base64,"]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not [a["href"] for a in page.all("a") if a["href"].startswith("javascript")]
    assert page.text.count("<script>alert('县')</script>") > 10
    assert html.count("</style>") == 1


def test_markup_in_any_text_of_the_index_is_shown_and_not_run() -> None:
    stage = entry()["stages"][0] | {"stage_label": ATTACK, "largest_cv_label": ATTACK}
    lost = {"label": ATTACK, "source_id": ATTACK, "reasons": [{"heading": ATTACK, "reason": ATTACK}]}
    row = entry(ATTACK, prefecture=ATTACK, source_id=ATTACK, file=f"html/{ATTACK}", stages=[stage])
    html = index(row, refused=(lost,))
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count("<script>alert('县')</script>") >= 5


# nothing is fetched


def test_a_report_and_the_index_ask_for_nothing() -> None:
    link = new_markdown_cell("见 [部网站](https://www.moe.gov.cn/)。")
    for html in (report(link, shown(FigureBlock("f", "题", "说明", PNG, 2, 2))), index(entry())):
        page = Page(html)
        assert all(address.startswith("data:image/png;base64,") for address in resources(page))
        assert "default-src 'none'" in str(page.all("meta"))
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", html)


def test_the_index_script_is_the_one_the_policy_names() -> None:
    html = index(entry())
    script = re.search(r"<script>(.*)</script>", html, flags=re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_the_same_input_gives_the_same_bytes() -> None:
    cells = [new_markdown_cell("见@tbl-cv"), shown(table())]
    assert report(*cells) == report(*cells)
    assert index(entry()) == index(entry())


# structure


def test_every_table_has_scoped_heads_and_a_name() -> None:
    page = Page(report(new_markdown_cell("|a|b|\n|-|-|\n|1|2|"), shown(table())))
    assert len(page.all("table")) == 6
    assert all(head.get("scope") in {"col", "row"} for head in page.all("th"))
    assert sum(head["scope"] == "row" for head in page.all("th")) >= 3
    regions = [attrs for attrs in page.all("div") if attrs.get("class") == "scroll"]
    assert len(regions) == 6
    assert all(r["tabindex"] == "0" and r["role"] == "region" for r in regions)
    ids = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    assert all(r.get("aria-label") or r["aria-labelledby"] in ids for r in regions)


def test_ids_are_unique_and_every_inner_link_leads_somewhere() -> None:
    cells = [new_markdown_cell("## 甲\n\n见@tbl-cv"), shown(table()), shown(FindingBlock("f", "@tbl-cv", "met", True))]
    page = Page(report(*cells, missing="失败"))
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    inner = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert {"tbl-1", "sec-1", "sec-1-1", "sec-2", "appendix", "main"} <= inner <= set(ids)


def test_language_one_main_heading_skip_link_and_no_skipped_level() -> None:
    html = report(new_markdown_cell("## 甲\n\n#### 乙"), shown(table()))
    page = Page(html)
    assert page.all("html") == [{"lang": "zh-CN"}]
    assert len(page.all("h1")) == 1
    assert page.all("a")[0]["href"] == "#main"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert len(Page(index(entry())).all("h1")) == 1


def test_captions_stand_above_tables_and_below_figures() -> None:
    html = report(shown(table()), shown(FigureBlock("f", "题", "说明", PNG, 2, 2, ("甲",), "乙")))
    assert html.index("表1</span>各校情况") < html.index("<table")
    assert html.index("<img") < html.index("图1</span>题") < html.index("注：甲") < html.index("资料来源：乙")


def test_only_tables_of_more_than_nine_columns_take_a_landscape_page() -> None:
    html = report(shown(table(9, "a")), shown(table(10, "b")))
    classes = [attrs["class"].split() for attrs in Page(html).all("figure") if attrs.get("id", "").startswith("tbl")]
    assert ["wide" in names for names in classes] == [False, True]
    assert "size:A4 landscape" in html


def test_tones_are_said_in_words_and_not_by_colour_alone() -> None:
    html = report(shown(table(tones=("met", "not_met", "undecided"))), shown(FindingBlock("f", "x", "not_met", True)))
    text = Page(html).text
    for words in ("✓达标：甲小学", "×未达标：乙小学", "？无法判定：丙小学"):
        assert words in text
    assert "× 未达标" in text[text.index("摘要") : text.index("阅读须知")]


def test_an_empty_table_says_so() -> None:
    empty = TableBlock("t", "缺失的数据", ({"label": "学校", "align": "left"}, {"label": "项", "align": "left"}), ())
    assert '<td class="c" colspan="2">（无）</td>' in report(shown(empty))


def test_formulas_become_mathml_and_keep_their_source_where_they_cannot() -> None:
    source = r"CV = \frac{1}{\bar X}\sqrt{\sum_i \frac{P_i}{P}(x_i-\bar X)^2}"
    html = report(new_markdown_cell(f"其中${source}$为差异系数。\n\n$$\n\\sum_{{i=1}}^n x_i \\le 0.50\n$$"))
    assert "\\frac" not in html
    assert html.count("<mfrac>") == 2
    assert html.count("<msqrt>") == 1
    assert 'display="block"' in html
    Page(html)
    for beyond in ("x^", "x_"):
        assert str(render_formula(beyond)) == f"<code>{beyond}</code>"


@pytest.mark.parametrize("source", ["<script>alert(1)</script>", r"\text{<script>}", r"\mathrm{<b>}"])
def test_a_formula_cannot_bring_markup_into_the_page(source) -> None:
    assert "<script" not in str(render_formula(source))
    assert "<b>" not in str(render_formula(source))


@pytest.mark.parametrize(
    "source",
    [
        r"\text", r"\tag", r"\genfrac", r"\bigl", r"\begin", r"\verb", r"\href{https://example.org}{x}",
        r"\style{color:red}{x}", r"\class{banner}{x}",
    ],
)
def test_what_is_no_formula_or_sets_attributes_is_shown_as_its_source(source: str) -> None:
    assert str(render_formula(source)) == f"<code>{source}</code>"
    assert f"<code>{source}</code>" in report(new_markdown_cell(f"见 ${source}$ 。"))


def test_a_card_says_that_only_resources_are_judged() -> None:
    text = Page(report(stage_label="小学", largest_cv=0.561, cv_over_cap=1)).text
    assert "小学资源配置\n× 未达标" in text
    assert "最大差异系数0.561（超过上限）" in text
    assert "未核实" not in text


def test_a_card_says_when_the_rule_for_schools_is_unverified() -> None:
    assert "学校达标规则未核实，见阅读须知" in Page(report(rule_unverified=True)).text


def test_a_card_counts_what_the_data_count() -> None:
    assert "学校40 所，达标 31 所" in Page(report(schools=40, schools_met=31)).text
    text = Page(report(schools=12, schools_met=None, row="学区", counter="个")).text
    assert "学区12 个\n" in text
    assert "学校" not in text


def test_parameters_have_chinese_names_and_the_stage_is_called_as_its_record_calls_it() -> None:
    asked = {"stage": "all", "standard_id": "ca", "group_by": "location", "seed": 7}
    text = Page(report(asked=asked, stage="all", stage_label="幼儿园至 8 年级")).text
    parameters = text[text.index("附表2") : text.index("附表3")]
    for words in ("数据来源", "县区划代码", "学年", "学段幼儿园至 8 年级", "标准ca", "分组变量", "随机种子7"):
        assert words in parameters
    assert not re.search(r"\ball\b|_", parameters)


def test_a_missing_section_says_why() -> None:
    text = Page(report(missing="任务的运行状态为“失败”")).text
    assert "二、学业质量" in text
    assert "本节未能生成：任务的运行状态为“失败”" in text


def test_simulated_data_are_labelled_on_screen_on_paper_and_in_the_index() -> None:
    html = report(simulated=True)
    assert '<p class="banner" role="note"><strong>模拟数据</strong>' in html
    assert '<span class="sim">模拟数据</span>' in html
    assert '@top-right{content:"模拟数据"' in html
    assert '<div class="watermark" aria-hidden="true">模拟数据</div>' in html
    assert re.search(r"\.watermark\{display:block;position:fixed", html)
    assert "（模拟数据）</title>" in html
    assert "模拟数据" not in report()
    rows = index(entry(simulated=True), entry("乙县", "2"))
    assert rows.count('<span class="sim">模拟数据</span>') == 1
    assert "模拟数据" not in index(entry())


def test_the_appendix_gives_parameters_sources_versions_and_keys() -> None:
    text = Page(report()).text
    appendix = text[text.index("附录：参数、数据来源、规则与软件版本") :]
    for words in ("甲表", "县区划代码", "530199", "小学", "numpy", "2.4", "cafe" * 16, "ab12"):
        assert words in appendix


def test_code_and_clock_stay_out_of_a_report() -> None:
    html = report()
    assert "code()" not in html
    assert not re.search(r"\d{2}:\d{2}:\d{2}", html)


# the index


def test_rows_are_in_the_index_without_a_script() -> None:
    html = re.sub(r"<script>.*</script>", "", index(entry(), entry("云岭县", "530199")), flags=re.DOTALL)
    text = Page(html).text
    assert "鄠邑区" in text
    assert "云岭县" in text
    assert 'href="demo/html/610118.html"' in html
    assert "31／40 所学校达标" in text
    assert "0.561（超过上限）" in text
    assert Page(html).all("form")[0].keys() >= {"hidden"}


def test_search_keys_hold_pinyin_and_initials_of_every_reading() -> None:
    assert search_key("鄠邑区").split()[:2] == ["huyiqu", "hyq"]
    assert 'data-k="huyiqu hyq' in index(entry())
    assert {"junxian", "jx", "xunxian", "xx"} <= set(search_key("浚县").split())
    assert {"laotingxian", "letingxian"} <= set(search_key("乐亭县").split())
    assert search_key("瀍河回族区").split()[:2] == ["chanhehuizuqu", "chhzq"]


def test_the_script_costs_a_row_little() -> None:
    row = re.search(r"<tr data-[^>]*>", index(entry("瀍河回族自治县（模拟）")))[0]
    assert len(row.encode()) <= 150


def test_summary_counts_reports_counties_and_the_gravest_verdicts() -> None:
    good = entry()["stages"][0] | {"stage": "junior", "verdict": "met", "cv_over_cap": 0}
    html = index(
        entry(), entry(school_year="2023", stages=[good]), entry("乙县", "2", stages=[good, entry()["stages"][0]]),
        entry("", "", title="县际比较", school_year="", stages=[]),
    )
    strip = re.sub(r"<[^>]+>|\s", "", re.search(r'<dl class="strip">.*?</dl>', html, flags=re.DOTALL)[0])
    assert strip == "报告4份地区2个✓达标1份×未达标2份？无法判定0份"
    assert "县际比较" in html


def test_stages_beside_primary_and_junior_get_a_column_only_when_they_are_judged() -> None:
    other = entry()["stages"][0] | {"stage": "all", "stage_label": "全部年级"}
    assert "其他学段（资源配置）</th>" in index(entry(), entry("乙县", "2", stages=[other]))
    assert "其他学段（资源配置）</th>" not in index(entry(), entry("乙县", "2", stages=[other | {"verdict": None}]))


def test_the_index_says_that_only_resources_are_judged() -> None:
    text = Page(index(entry())).text
    assert "“达标”仅指资源配置（单项指标、学校达标与校际差异系数）达标，不等于通过优质均衡县督导评估。" in text
    assert "任一学段未达标，即记为未达标；否则任一学段无法判定，即记为无法判定。" in text
    assert "小学（资源配置）初中（资源配置）最大差异系数" in text
    assert "最低者" not in text


def test_the_index_marks_and_explains_rules_that_are_unverified() -> None:
    doubtful = entry()["stages"][0] | {"rule_unverified": True}
    html = index(entry(stages=[doubtful]), entry("乙县", "2"))
    assert len(re.findall(r'<small title="[^"]+">规则未核实</small>', html)) == 1
    assert "“规则未核实”：" in Page(html).text
    assert "规则未核实" not in index(entry())


def test_the_index_counts_what_the_data_count() -> None:
    districts = entry()["stages"][0] | {"schools": 12, "schools_met": None, "row": "学区", "counter": "个"}
    text = Page(index(entry(stages=[districts]))).text
    assert "12 个学区" in text
    assert "学区达标" not in text
    assert "40 所学校" in Page(index(entry(stages=[entry()["stages"][0] | {"schools_met": None}]))).text


def test_pages_of_an_earlier_version_stay_in_the_index() -> None:
    older = {key: value for key, value in entry()["stages"][0].items() if key not in ("rule_unverified", "row")}
    assert "31／40 所学校达标" in Page(index(entry(stages=[older]))).text


def test_reports_that_could_not_be_made_are_listed_with_reasons() -> None:
    lost = {"label": "县（代码 9）", "source_id": "sim", "reasons": [{"heading": "资源", "reason": "失败"}]}
    text = Page(index(entry(missing=[{"job": "a", "heading": "b", "reason": "c"}]), refused=(lost,))).text
    assert "未能生成的报告" in text
    assert "县（代码 9）" in text
    assert "资源：失败" in text
    assert "缺 1 部分" in text


def test_an_index_without_reports_can_be_written() -> None:
    assert "还没有可以发布的报告" in render_index([])


# in a browser


def browse(path: Path, state: str, tmp_path: Path) -> tuple[str, str, str]:
    """The page as the browser holds it, what it complained about, and its network log."""
    assert BROWSER, "this check needs a browser on the PATH: chromium, chromium-browser or google-chrome"
    log = tmp_path / "net.json"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", f"--log-net-log={log}"]
    command = [BROWSER, *options, "--dump-dom", path.as_uri() + state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, complaints, log.read_text(encoding="utf-8", errors="replace")


@pytest.mark.system
@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("#q=huyi", ["鄠邑区"]),
        ("#q=hy", ["鄠邑区"]),
        ("#q=2&verdict=met", ["乙县"]),
        ("#year=2023%E2%80%942024+%E5%AD%A6%E5%B9%B4", ["丙县"]),
        ("#sort=name-desc", ["乙县", "鄠邑区", "丙县"]),
        ("#q=zzz", []),
    ],
)
def test_the_address_filters_and_sorts_the_index(tmp_path: Path, state: str, names: list[str]) -> None:
    met = entry()["stages"][0] | {"verdict": "met"}
    page = tmp_path / "index.html"
    reports = entry(), entry("乙县", "2", stages=[met]), entry("丙县", "3", school_year="2023")
    page.write_text(index(*reports), encoding="utf-8")
    dom, complaints, _ = browse(page, state, tmp_path)
    rows = re.findall(r"<tr data-k[^>]*>.*?</tr>", dom, flags=re.DOTALL)
    assert [re.search(r"<a [^>]*>([^<]*)<", row)[1] for row in rows if ' hidden=""' not in row[:200]] == names
    assert f"显示 {len(names)} 份，共 3 份" in dom or len(names) == 3
    assert not complaints


@pytest.mark.system
def test_a_browser_loads_a_report_without_request_or_complaint(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    cells = [new_markdown_cell(ATTACK), shown(table(10)), shown(FigureBlock("f", "题", "说明", PNG, 2, 2))]
    page.write_text(report(*cells, simulated=True), encoding="utf-8")
    dom, complaints, log = browse(page, "", tmp_path)
    assert "模拟数据" in dom
    assert not complaints
    assert page.as_uri() in log
    browsers_own = r"clients|accounts|update|optimizationguide|www\.google|[^/\"]*\.googleapis"
    assert not re.search(rf'"url":"https?://(?!{browsers_own})', log)
