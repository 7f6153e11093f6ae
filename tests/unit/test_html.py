"""Pages: everything escaped, nothing fetched, marks in words, structure for screen readers, the same bytes twice."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sample_document import sample_document, small_png

from qbresearch.exhibits.blocks import (
    EquationBlock,
    FigureBlock,
    FindingBlock,
    OpeningBlock,
    RecordBlock,
    TableBlock,
)
from qbresearch.publication.document import Part, build_document
from qbresearch.publication.html import write_html
from qbresearch.publication.model import Document
from qbresearch.publication.writers import write_report

PNG = small_png()
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


def built(
    *cells: Any, simulated: bool = False, title: str = "资源", missing: str = "",
    asked: dict[str, Any] | None = None, **values: Any,
) -> Document:
    opening = OpeningBlock(title, (("数据", "甲表"),), ("小心。",), simulated)
    record = RecordBlock("county", {"county_name": "云岭县", "stage": "primary", "verdict": "not_met"} | values)
    parameters = {"source_id": "sim", "county_code": "530199", "school_year": 2024, "stage": "primary"}
    parameters |= asked or {}
    job = {"name": "20--primary", "notebook": "20-resource-balance", "parameters": parameters, "key": "cafe" * 16}
    notebook = new_notebook(cells=[shown(opening), *cells, shown(record)])
    parts = [Part(job, "", notebook)]
    if missing:
        parts.append(Part(job | {"name": "30", "notebook": "30-attainment"}, "学业质量", refusal=missing))
    return build_document(parts, run_id="demo", packages={"numpy": "2.4"}, code_sha256="ab12")


def report(*cells: Any, **more: Any) -> str:
    return write_html(built(*cells, **more)).decode()


def resources(page: Page) -> list[str]:
    """Everything a browser would load by itself."""
    loading = page.all("img", "script", "iframe", "source", "video", "audio", "embed", "input")
    found = [attrs.get(name) for attrs in loading for name in ("src", "srcset") if attrs.get(name)]
    return found + [attrs["href"] for attrs in page.all("link")]


# escaping


def test_markup_in_any_text_of_a_report_is_shown_and_not_run() -> None:
    block = TableBlock("t", ATTACK, ({"label": ATTACK, "align": "left"},), ((ATTACK,),), (ATTACK,), ATTACK, ("met",))
    html = report(
        new_markdown_cell(f"## `{ATTACK}`\n\n`{ATTACK}`\n\n```\n{ATTACK}\n```\n\n[`{ATTACK}`](https://example.org/\"onclick=x)"),
        shown(block),
        shown(FigureBlock("f", ATTACK, ATTACK, PNG, 640, 320, (ATTACK,), ATTACK)),
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


# nothing is fetched


def test_a_report_asks_for_nothing() -> None:
    link = new_markdown_cell("见 [部网站](https://www.moe.gov.cn/)。")
    html = report(link, shown(FigureBlock("f", "题", "说明", PNG, 640, 320)))
    page = Page(html)
    assert all(address.startswith("data:image/png;base64,") for address in resources(page))
    assert "default-src 'none'" in str(page.all("meta"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", html)


def test_the_same_input_gives_the_same_bytes() -> None:
    cells = [new_markdown_cell("见@tbl-cv"), shown(table())]
    assert report(*cells) == report(*cells)


# structure


def test_every_table_has_scoped_heads_and_a_name() -> None:
    page = Page(report(shown(table())))
    assert len(page.all("table")) == 5
    assert all(head.get("scope") in {"col", "row"} for head in page.all("th"))
    assert sum(head["scope"] == "row" for head in page.all("th")) >= 3
    regions = [attrs for attrs in page.all("div") if attrs.get("class") == "scroll"]
    assert len(regions) == 5
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


def test_captions_stand_above_tables_and_below_figures() -> None:
    html = report(shown(table()), shown(FigureBlock("f", "题", "说明", PNG, 640, 320, ("甲",), "乙")))
    assert html.index("表1</span>各校情况") < html.index("<table")
    assert html.index("<img") < html.index("图1</span>题") < html.index("注：甲") < html.index("资料来源：乙")


def test_only_tables_that_are_too_wide_for_an_upright_page_take_a_landscape_one() -> None:
    def filled(name: str, columns: int, cell: str) -> TableBlock:
        return TableBlock(name, "题", ({"label": "列", "align": "left"},) * columns, ((cell,) * columns,))

    cells = [shown(filled("a", 9, "很长很长很长的文字")), shown(filled("b", 12, "1.00")), shown(filled("c", 12, "1,234.56"))]
    html = report(*cells)
    classes = [attrs["class"].split() for attrs in Page(html).all("figure") if attrs.get("id", "").startswith("tbl")]
    assert ["wide" in names for names in classes] == [False, False, True]
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


def test_formulas_become_mathml() -> None:
    source = r"CV = \frac{1}{\bar X}\sqrt{\sum_i \frac{P_i}{P}(x_i-\bar X)^2}"
    html = report(new_markdown_cell(f"其中${source}$为差异系数。\n\n$$\n\\sum_{{i=1}}^n x_i \\le 0.50\n$$"))
    assert "\\frac" not in html
    assert html.count("<mfrac>") == 2
    assert html.count("<msqrt>") == 1
    assert 'display="block"' in html


def test_equations_show_their_number_and_say_what_they_compute() -> None:
    html = report(new_markdown_cell("见@eq-cv。"), shown(EquationBlock("cv", "x=1", "x 等于 1")))
    assert '<div class="formula" id="eq-1" role="group" aria-label="x 等于 1" tabindex="0">' in html
    assert '<span class="no">（1）</span>' in html
    assert '<a href="#eq-1">式（1）</a>' in html


def test_merged_heads_span_their_columns_and_a_lone_column_both_rows() -> None:
    html = report(shown(table(4, heads=(("", 1), ("小学", 2), ("", 1)))))
    rows = re.findall(r"<tr>(.*?)</tr>", html[html.index("<thead>") : html.index("</thead>")], flags=re.DOTALL)
    assert [re.findall(r'(?:colspan|rowspan)="2"', row) for row in rows] == [['rowspan="2"', 'colspan="2"', 'rowspan="2"'], []]
    assert [row.count("<th") for row in rows] == [3, 2]


def test_notes_and_works_stand_at_the_end_and_lead_back() -> None:
    html = report(new_markdown_cell("甲[^a][@holm-1979]\n\n[^a]: 注文"))
    page = Page(html)
    assert "注文" in page.text[page.text.index("注释") :]
    assert {"#note-1", "#note-1-call", "#ref-1"} <= {a["href"] for a in page.all("a")}
    assert "Holm" in page.text[page.text.rindex("参考文献") :]


def test_an_english_report_says_everything_of_its_own_in_english() -> None:
    record = {"county_name": "X", "stage_label": "primary", "row": "Schools", "counter": "schools", "largest_cv_label": "Books"}
    asked = {"language": "en"}
    english = new_markdown_cell("## One\n\nSee @tbl-cv[@holm-1979].", metadata={"tags": ["lang-en"]})
    columns = ({"label": "School", "align": "left"},)
    block = TableBlock("cv", "Schools", columns, (("A",),), ("a note",), "Source: x", ("not_met",))
    html = report(english, shown(block), shown(FindingBlock("f", "A", "met", True)), simulated=True, title="T", asked=asked,
                  schools=3, schools_met=1, largest_cv=0.6, cv_over_cap=1, rule_unverified=True, **record)
    assert '<html lang="en">' in html
    left = Page(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)).text.replace("甲表", "").replace("小心", "")
    assert not re.findall(r"[\u4e00-\u9fff]+", left.replace("数据", "", 1))


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


def test_simulated_data_are_labelled_on_screen_and_on_paper() -> None:
    html = report(simulated=True)
    assert '<aside class="banner" aria-label="模拟数据"><strong>模拟数据</strong>' in html
    assert '<span class="sim">模拟数据</span>' in html
    assert '@top-right{content:"模拟数据"' in html
    assert '.watermark::before{content:"模拟数据"}' in html
    assert '<div class="watermark" aria-hidden="true"></div>' in html
    assert re.search(r"\.watermark\{display:block;position:fixed", html)
    assert "（模拟数据）</title>" in html
    assert "模拟数据" not in report()


def test_the_appendix_gives_parameters_sources_versions_and_keys() -> None:
    text = Page(report()).text
    appendix = text[text.index("附录：参数、数据来源、规则与软件版本") :]
    for words in ("甲表", "县区划代码", "530199", "小学", "numpy", "2.4", "cafe" * 16, "ab12", "qbresearch run demo"):
        assert words in appendix


def test_code_and_clock_stay_out_of_a_report() -> None:
    html = report()
    assert "code()" not in html
    assert not re.search(r"\d{2}:\d{2}:\d{2}", html)


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
def test_a_browser_loads_a_report_without_request_or_complaint(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    cells = [new_markdown_cell(f"`{ATTACK}`"), shown(table(10)), shown(FigureBlock("f", "题", "说明", PNG, 640, 320))]
    page.write_text(report(*cells, simulated=True), encoding="utf-8")
    dom, complaints, log = browse(page, "", tmp_path)
    assert "模拟数据" in dom
    assert not complaints
    assert page.as_uri() in log
    browsers_own = r"clients|accounts|update|optimizationguide|www\.google|[^/\"]*\.googleapis"
    assert not re.search(rf'"url":"https?://(?!{browsers_own})', log)


@pytest.mark.system
def test_axe_finds_nothing_in_a_report_at_a_desk_on_a_phone_and_in_print(tmp_path: Path) -> None:
    runner = Path(__file__).parents[1] / "system" / "axe.mjs"
    node = shutil.which("node")
    if not node or not BROWSER or not (runner.parent / "node_modules" / "axe-core").is_dir():
        pytest.skip("axe needs node, a browser and npm install --prefix tests/system")
    pages = []
    for language in ("zh", "en"):
        pages.append(tmp_path / f"{language}.html")
        pages[-1].write_bytes(write_html(sample_document(language)))
    done = subprocess.run([node, runner, BROWSER, *pages], capture_output=True, text=True, timeout=300, check=True)
    views = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(views) == 6
    assert [(view["view"], view["violations"], view["requests"], view["complaints"]) for view in views] == [
        (view["view"], [], [], []) for view in views
    ]


# odd structures


@pytest.mark.parametrize("format", ["html", "docx", "pdf"])
def test_empty_entries_and_notes_of_several_paragraphs_can_be_written(format: str) -> None:
    text = "- \n- 甲[^a]\n\n1. 乙\n2. \n   - \n\n[^a]: 一\n\n    二"
    document = built(new_markdown_cell(text))
    data = write_report(document, format)
    assert write_report(document, format) == data
    if format == "html":
        assert "<li></li>" in data.decode()
        assert "一<br>二" in data.decode()
