"""The site of all reports: escaped, complete in itself, found by pinyin, the same list with and without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.language import speaking
from qbresearch.language.pinyin import search_key
from qbresearch.publication.document import STAGE_KEYS
from qbresearch.publication.index import TEMPLATES, render_index, render_run_index

ATTACK = "<script>alert('县')</script>\"'&<img src=x onerror=alert(1)>"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STAGE = dict.fromkeys(STAGE_KEYS) | {
    "stage": "primary", "stage_label": "小学", "verdict": "not_met", "schools": 40, "schools_met": 31,
    "largest_cv": 0.561, "largest_cv_label": "设备值", "cv_over_cap": 1,
}  # fmt: skip
MET = STAGE | {"verdict": "met", "cv_over_cap": 0}
WHOLE_MET = dict.fromkeys(STAGE_KEYS) | {
    "stage": "whole", "stage_label": "全部条款", "verdict": "met", "entries": 44, "entries_met": 44, "entries_not_met": 0,
    "entries_undecided": 0,
}  # fmt: skip


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


def entry(name: str = "鄠邑区", code: str = "610118", formats: str = "html pdf docx", **changes: Any) -> dict[str, Any]:
    """One report of ``published.json``."""
    slug = changes.get("slug", code)
    return {
        "slug": slug, "files": {kind: {"file": f"{kind}/{slug}.{kind}"} for kind in formats.split()}, "title": "报告",
        "topic": "义务教育优质均衡发展研究报告", "kind": "resources", "language": "zh", "source_id": "sim",
        "county_code": code, "county_name": name, "prefecture": "西安市", "school_year": "2024", "simulated": False,
        "stages": [STAGE], "missing": [], "jobs": [], "sections": 1, "records": [],
    } | changes  # fmt: skip


def run(
    *reports: dict[str, Any], run_id: str = "demo", title: str = "示例", refused: tuple[Any, ...] = ()
) -> dict[str, Any]:
    return {"run_id": run_id, "title": title, "reports": list(reports), "refused": list(refused)}


def index(*reports: dict[str, Any], refused: tuple[dict[str, Any], ...] = ()) -> str:
    return render_index([run(*reports, refused=refused)])


def list_of(html: str) -> str:
    """The list and what stands above it, without the script."""
    return re.sub(r"<script>.*</script>|<style>.*</style>", "", html, flags=re.DOTALL)


def options(html: str, name: str) -> list[str]:
    found = re.search(rf'<select name="{name}">(.*?)</select>', html)
    return re.findall(r"<option[^>]*>([^<]*)</option>", found[1])[1:] if found else []


# the page itself


def test_markup_in_any_text_is_shown_and_not_run() -> None:
    stage = STAGE | {"stage_label": ATTACK, "largest_cv_label": ATTACK, "stage": ATTACK, "row": ATTACK}
    lost = {"label": ATTACK, "source_id": ATTACK, "reasons": [{"heading": ATTACK, "reason": ATTACK}]}
    row = entry(
        ATTACK, prefecture=ATTACK, source_id=ATTACK, stages=[stage], topic=ATTACK, language=ATTACK, kind=ATTACK,
        files={"html": {"file": f"html/{ATTACK}"}},
    )
    for html in (
        render_index([run(row, run_id=ATTACK, title=ATTACK, refused=(lost,)), run(entry())]),
        render_run_index(run(row, run_id=ATTACK, title=ATTACK, refused=(lost,))),
    ):
        page = Page(html)
        assert len(page.all("script")) == 1
        assert not page.all("img")
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
        assert page.text.count("<script>alert('县')</script>") >= 8
        assert html.count("</style>") == 1


def test_the_page_asks_for_nothing() -> None:
    html = index(entry())
    page = Page(html)
    assert not page.all("img", "iframe", "source", "link")
    assert not [attrs for attrs in page.all("script", "input") if "src" in attrs]
    assert "default-src 'none'" in str(page.all("meta"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", html)


def test_the_script_is_the_one_the_policy_names() -> None:
    html = index(entry())
    script = re.search(r"<script>(.*)</script>", html, flags=re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_the_same_input_gives_the_same_bytes_in_whatever_language_is_in_force() -> None:
    before = index(entry(), entry("乙县", "2"))
    with speaking("en"):
        assert index(entry(), entry("乙县", "2")) == before


def test_language_headings_and_scopes() -> None:
    lost = {"label": "x", "source_id": "", "reasons": []}
    page = Page(index(entry(), entry("乙县", "2", prefecture="乙市"), refused=(lost,)))
    assert page.all("html") == [{"lang": "zh-CN"}]
    assert page.all("a")[0] == {"class": "skip", "href": "#reports"}
    assert [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)] == [1, 2]
    assert {head["scope"] for head in page.all("th")} == {"col", "row", "rowgroup"}
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")} <= set(ids)


def test_colours_that_the_reports_also_use_are_the_same_there() -> None:
    tokens = [
        dict(re.findall(r"(--\w+):(#\w+)", (TEMPLATES / name).read_text(encoding="utf-8").split("}")[0]))
        for name in ("index.css", "report.css")
    ]
    assert set(tokens[0]) <= set(tokens[1])
    assert tokens[0] == {name: tokens[1][name] for name in tokens[0]}


# one run and all runs


def test_links_are_relative_to_where_the_page_stands() -> None:
    one = run(entry(), run_id="demo batch")
    assert 'href="demo%20batch/html/610118.html"' in render_index([one])
    own = render_run_index(one)
    assert 'href="html/610118.html"' in own
    assert 'href="../index.html"' in own
    assert "../index.html" not in render_index([one])
    assert "批次：示例（demo batch）" in own


def test_the_page_of_all_runs_leads_to_each_run() -> None:
    html = render_index([run(entry()), run(entry(), entry("乙县", "2"), run_id="b", title="")])
    section = re.search(r'<nav class="runs".*?</nav>', html)[0]
    assert re.findall(r'<a href="([^"]+)">([^<]+)</a><small>([^<]+)', section) == [
        ("demo/index.html", "示例", "1 份"), ("b/index.html", "b", "2 份")
    ]
    assert 'class="runs"' not in index(entry())
    assert "<details" not in html
    assert "<summary>按批次查看（9 个批次）</summary>" in render_index([run(entry(), run_id=f"r{n}") for n in range(9)])


@pytest.mark.parametrize(("formats", "first", "labels"), [
    ("html docx pdf", "html/610118.html", ["网页", "PDF", "Word"]),
    ("docx pdf", "pdf/610118.pdf", ["PDF", "Word"]),
    ("docx", "docx/610118.docx", ["Word"]),
])
def test_a_row_links_to_the_formats_there_are(formats: str, first: str, labels: list[str]) -> None:
    html = render_run_index(run(entry(formats=formats)))
    row = re.search(r"<tr data-k.*?</tr>", html)[0]
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', row)
    assert links[0] == (first, "鄠邑区")
    assert [label for _, label in links[1:]] == labels
    assert {href for href, _ in links} == {f"{kind}/610118.{kind}" for kind in formats.split()}


# the list without the script


def test_rows_are_there_without_a_script() -> None:
    html = index(entry(), entry("云岭县", "530199"))
    text = Page(list_of(html)).text
    for words in ("鄠邑区", "云岭县", "40 所中 31 所达标", "0.561（超过上限）", "设备值（小学）", "2024—2025 学年", "西安市　610118"):
        assert words in text
    assert Page(html).all("form")[0].keys() >= {"hidden"}


def test_rows_stand_by_prefecture_and_cross_county_reports_first() -> None:
    html = list_of(index(
        entry("乙县", "610203", prefecture="铜川市"), entry(), entry("丙县", "99", prefecture="", source_id="other"),
        entry("", "", title="2024 县际比较", topic="县际比较", kind="cross-county", stages=[], prefecture=""),
    ))
    groups = re.findall(r'scope="rowgroup">([^<]+)<small>([^<]+)', html)
    assert groups == [("跨县报告", "1 份"), ("西安市", "1 份"), ("铜川市", "1 份"), ("来源 other", "1 份")]
    assert [html.index(name) for name in (">县际比较<", ">鄠邑区<", ">乙县<", ">丙县<")] == sorted(
        html.index(name) for name in (">县际比较<", ">鄠邑区<", ">乙县<", ">丙县<")
    )
    assert "rowgroup" not in index(entry())


def test_every_row_has_as_many_cells_as_there_are_heads() -> None:
    other = STAGE | {"stage": "all", "stage_label": "全部年级"}
    many = index(entry(), entry("乙县", "2", source_id="b", stages=[other]), entry("丙县", "3", stages=[]))
    for html in (index(entry()), many):
        heads = len(re.findall(r'<th scope="col"', html))
        rows = re.findall(r"<tr data-k.*?</tr>", html)
        assert {len(re.findall(r"<t[hd][ >]", row)) for row in rows} == {heads}
        assert len(re.findall(r"<col ", html)) == heads


def test_the_script_costs_a_row_little() -> None:
    row = re.search(r"<tr data-[^>]*>", index(entry("瀍河回族自治县（模拟）"), entry("乙县", "2", school_year="2023")))[0]
    assert len(row.encode()) <= 150


def test_summary_counts_reports_counties_verdicts_and_simulated_ones() -> None:
    html = index(
        entry(), entry(school_year="2023", stages=[MET]), entry("乙县", "2", stages=[MET | {"stage": "junior"}, STAGE]),
        entry("", "", title="县际比较", school_year="", stages=[], simulated=True),
    )
    strip = re.sub(r"<[^>]+>|\s", "", re.search(r'<dl class="strip">.*?</dl>', html, flags=re.DOTALL)[0])
    assert strip == "报告4份地区2个达标0个地区未达标2个地区无法判定0个地区模拟数据1份"


def test_a_county_counts_once_by_the_gravest_verdict_of_its_latest_year() -> None:
    open_ = STAGE | {"verdict": "undecided"}
    html = index(
        entry(school_year="2022"), entry(stages=[MET]), entry(slug="plan", stages=[WHOLE_MET | {"verdict": "undecided"}]),
        entry("乙县", "2", stages=[open_]), entry("乙县", "2", slug="later", school_year="2025", stages=[MET]),
        entry("丙县", "3", stages=[]), entry(source_id="other", stages=[MET]),
    )
    tiles = re.findall(r'<div class="(\w+)"><dt>[^<]+</dt><dd>(\d+)<small>个地区', html)
    assert tiles == [("met", "2"), ("not_met", "0"), ("undecided", "1")]


def test_other_stages_get_a_column_only_when_they_are_judged() -> None:
    other = STAGE | {"stage": "all", "stage_label": "全部年级"}
    assert ">其他学段资源配置</th>" in index(entry(), entry("乙县", "2", stages=[other]))
    assert ">其他学段资源配置</th>" not in index(entry(), entry("乙县", "2", stages=[other | {"verdict": None}]))


def test_the_whole_evaluation_is_no_stage_and_has_a_column_and_a_note_of_its_own() -> None:
    html = list_of(index(entry(stages=[STAGE, WHOLE_MET]), entry("乙县", "9", stages=[WHOLE_MET | {"verdict": "not_met"}])))
    heads = re.findall(r'<th scope="col" data-s="(\w+)">([^<]+)', html)
    assert heads[2:5] == [("primary", "小学资源配置"), ("junior", "初中资源配置"), ("whole", "全部条款")]
    assert "其他学段" not in html
    cells = re.search(r"<tr data-k.*?</tr>", html)[0].split("<td")
    assert len(cells) == 7 and "<b>未达标</b>" in cells[2] and "<b>达标</b><small>44 条中 44 条达标</small>" in cells[4]
    assert "“全部条款”一栏看督导评估的全部条款" in Page(html).text
    assert "全部条款" not in index(entry())


def test_reports_beside_different_plans_name_them() -> None:
    html = list_of(index(entry(plan="甲方案"), entry(slug="b", plan="乙方案"), entry(slug="c")))
    assert re.findall(r"发展研究报告</small>(?:<small>([^<]+)</small>)?</td>", html) == ["甲方案", "乙方案", ""]


def test_source_and_run_get_a_column_only_when_there_are_several() -> None:
    assert "来源与批次" not in list_of(index(entry()))
    assert "来源与批次" in list_of(index(entry(), entry(source_id="other")))
    assert "来源与批次" in list_of(render_index([run(entry()), run(entry(), run_id="b")]))


def test_what_the_verdicts_mean_is_said_once() -> None:
    text = Page(index(entry())).text
    assert "“资源配置”各栏只看单项指标、学校达标与校际差异系数，达标不等于通过优质均衡县督导评估。" in text
    assert "一个地区只计一次" in text and "任一栏未达标，即为未达标；否则任一栏无法判定，即为无法判定。" in text
    assert "小学资源配置初中资源配置最大差异系数" in text


def test_rules_that_are_unverified_are_marked_and_explained() -> None:
    html = list_of(index(entry(stages=[STAGE | {"rule_unverified": True}]), entry("乙县", "2")))
    assert html.count("<small>规则未核实</small>") == 1
    assert "“规则未核实”：" in Page(html).text
    assert "规则未核实" not in index(entry())


def test_what_the_data_count_is_counted() -> None:
    districts = STAGE | {"schools": 12, "schools_met": None, "row": "学区", "counter": "个"}
    text = Page(index(entry(stages=[districts]))).text
    assert "12 个学区" in text
    assert "学区达标" not in text
    assert "40 所学校" in Page(index(entry(stages=[STAGE | {"schools_met": None}]))).text


def test_an_english_report_is_a_row_whose_link_says_its_language() -> None:
    stage = STAGE | {"row": "school", "counter": "schools", "stage_label": "primary", "largest_cv_label": "Equipment"}
    row = entry(language="en", topic="Report on compulsory education", stages=[stage])
    html = index(row, entry())
    assert 'hreflang="en">鄠邑区' in html
    assert '<small lang="en">Report on compulsory education</small>' in html
    assert "40 中 31 达标" in html
    assert '<small><span lang="en">Equipment</span>（小学）</small>' in html
    assert options(html, "language") == ["中文", "英文（English）"]


def test_simulated_data_are_named_in_the_banner_the_row_and_on_paper() -> None:
    html = index(entry(simulated=True), entry("乙县", "2"))
    assert html.count('<span class="sim">模拟数据</span>') == 1
    assert "1 份报告含由程序生成的模拟数据" in Page(html).text
    assert '@top-right{content:"含模拟数据"' in html
    assert "模拟数据" not in index(entry())


def test_reports_that_could_not_be_made_are_listed_with_reasons() -> None:
    lost = {"label": "县（代码 9）", "source_id": "sim", "reasons": [{"heading": "资源", "reason": "失败"}]}
    text = Page(index(entry(missing=[{"job": "a", "heading": "b", "reason": "c"}]), refused=(lost,))).text
    for words in ("未能生成的报告", "县（代码 9）", "资源：失败", "缺 1 部分"):
        assert words in text


def test_an_index_without_reports_can_be_written() -> None:
    assert "还没有可以发布的报告" in render_index([])
    assert "还没有可以发布的报告" in render_run_index(run())


# searching


def test_search_keys_hold_pinyin_and_initials_of_every_reading() -> None:
    assert search_key("鄠邑区").split()[:2] == ["huyiqu", "hyq"]
    html = index(entry())
    assert 'data-k="huyiqu hyq' in html
    assert '<tbody data-k="xianshi xas' in html
    assert '<tbody data-k="">' in index(entry(prefecture=""))
    assert {"junxian", "jx", "xunxian", "xx"} <= set(search_key("浚县").split())
    assert {"laotingxian", "letingxian"} <= set(search_key("乐亭县").split())
    assert search_key("瀍河回族区").split()[:2] == ["chanhehuizuqu", "chhzq"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_a_search_key_is_short_and_safe_in_an_attribute_whatever_the_name(name: str) -> None:
    key = search_key(name)
    assert len(key) < 96
    assert key == " ".join(key.split()).lower()
    assert not set(key) & set("<>&\"'")


def test_only_filters_that_can_tell_rows_apart_are_offered() -> None:
    assert re.findall(r'<select name="(\w+)"', index(entry())) == ["sort"]
    html = render_index([
        run(entry(), entry(school_year="2023", kind="quality-monitoring", stages=[], source_id="b")),
        run(entry(language="en", kind="own-study"), run_id="b", title="另一批"),
    ])
    assert options(html, "year") == ["2023—2024 学年", "2024—2025 学年"]
    assert options(html, "kind") == ["资源配置", "质量监测", "own-study"]
    assert options(html, "verdict") == ["未达标"]
    assert options(html, "source") == ["b", "sim"]
    assert options(html, "run") == ["示例", "另一批"]
    assert "批次" not in [label for label in options(render_run_index(run(entry(), entry(school_year="2023"))), "run")]


def test_a_row_says_where_it_stands_among_the_values_of_each_filter() -> None:
    html = index(entry(), entry("乙县", "2", school_year="2023", stages=[]), entry("丙县", "3", stages=[MET]))
    assert re.findall(r'<select name="(\w+)"', html) == ["year", "verdict", "sort"]
    assert dict(re.findall(r'data-f="([^"]*)"><th scope="row"><a [^>]*>([^<]+)', html)) == {
        "1 1": "鄠邑区", "0 -": "乙县", "1 0": "丙县"
    }


# in a browser


def browse(html: str, state: str, tmp_path: Path) -> tuple[str, str]:
    """The page as the browser holds it, and what it complained about."""
    assert BROWSER, "this check needs a browser on the PATH: chromium, chromium-browser or google-chrome"
    path = tmp_path / "index.html"
    path.write_text(html, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    command = [BROWSER, *options, "--dump-dom", path.as_uri() + state]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.system
@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("#q=huyi", ["鄠邑区"]),
        ("#q=hy", ["鄠邑区"]),
        ("#q=tcs", ["乙县"]),
        ("#q=hu+yi", ["鄠邑区"]),
        ("#q=xia", ["鄠邑区", "丙县"]),
        ("#q=xian+2024", ["鄠邑区", "丙县"]),
        ("?q=铜川", ["乙县"]),
        ("#q=2&verdict=met", ["乙县"]),
        ("#year=2023%E2%80%942024+%E5%AD%A6%E5%B9%B4", ["丙县"]),
        ("#sort=name-desc", ["乙县", "鄠邑区", "丙县"]),
        ("#sort=cv-asc", ["丙县", "鄠邑区", "乙县"]),
        ("#sort=primary-asc", ["鄠邑区", "丙县", "乙县"]),
        ("#kind=没有这种&sort=wrong", ["鄠邑区", "丙县", "乙县"]),
        ("#q=zzz", []),
    ],
)
def test_the_address_filters_and_sorts(tmp_path: Path, state: str, names: list[str]) -> None:
    met = MET | {"largest_cv": None}
    low = STAGE | {"verdict": "undecided", "largest_cv": 0.1}
    html = index(
        entry(), entry("乙县", "720203", stages=[met], prefecture="铜川市"),
        entry("丙县", "630103", school_year="2023", stages=[low]),
    )
    dom, complaints = browse(html, state, tmp_path)
    rows = re.findall(r"<tr data-k[^>]*>.*?</tr>", dom, flags=re.DOTALL)
    shown = [re.search(r"<a [^>]*>([^<]*)<", row)[1] for row in rows]
    assert shown == names
    assert f"显示 {len(names)} 份，共 3 份" in dom or len(names) == 3
    assert ('id="empty" hidden' in dom) == bool(names)
    assert not complaints


@pytest.mark.system
def test_of_thousands_of_rows_few_are_drawn_and_all_are_found(tmp_path: Path) -> None:
    html = index(*(entry("甲县", f"{number:06d}", prefecture=f"第{number // 50}市") for number in range(1000)))
    dom, _ = browse(html, "", tmp_path)
    assert dom.count("<tr data-k") == 400
    assert "显示其余 600 份报告" in dom
    dom, _ = browse(html, "#q=000999", tmp_path)
    assert re.findall(r"　(\d{6})", list_of(dom)) == ["000999"]
    assert 'id="more" hidden' in dom


@pytest.mark.system
def test_a_browser_prints_every_row_of_a_long_list_with_heads_on_every_page(tmp_path: Path) -> None:
    if not (pdftotext := shutil.which("pdftotext")):
        pytest.skip("needs pdftotext of poppler")
    page, pdf = tmp_path / "index.html", tmp_path / "index.pdf"
    page.write_text(index(*(entry("甲县", f"{n:06d}", simulated=True) for n in range(450))), encoding="utf-8")
    subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    done = subprocess.run([pdftotext, "-layout", pdf, "-"], capture_output=True, check=True)
    pages = done.stdout.decode("utf-8").split("\f")[:-1]
    assert set(re.findall(r"\b\d{6}\b", "".join(pages))) >= {f"{n:06d}" for n in range(450)}
    assert len(pages) > 10
    assert all("小学资源配置" in text and "含模拟数据" in text for text in pages)


@pytest.mark.system
def test_axe_finds_nothing_at_a_desk_on_a_phone_and_in_print(tmp_path: Path) -> None:
    runner = Path(__file__).parents[1] / "system" / "axe.mjs"
    if not (node := shutil.which("node")) or not (runner.parent / "node_modules" / "axe-core").is_dir():
        pytest.skip("needs node and: npm install --prefix tests/system")
    lost = {"label": "县（代码 9）", "source_id": "sim", "reasons": [{"heading": "资源", "reason": "失败"}]}
    first = run(entry(simulated=True), entry("乙县", "2", prefecture="铜川市", language="en"), refused=(lost,))
    pages = {"all.html": render_index([first, run(entry("丙县", "3", stages=[MET]), run_id="b")])}
    pages |= {"run.html": render_run_index(first), "empty.html": render_index([])}
    for name, html in pages.items():
        (tmp_path / name).write_text(html, encoding="utf-8")
    command = [node, str(runner), BROWSER, *(str(tmp_path / name) for name in pages)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 9
    assert not [result for result in results if result["violations"] or result["requests"] or result["complaints"]]
