"""A report without a notebook: a Markdown template, values and blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbresearch.errors import InputError
from qbresearch.exhibits.blocks import OpeningBlock, TableBlock
from qbresearch.publication.document import build_document
from qbresearch.publication.markdown_template import part_from_template
from qbresearch.publication.model import Exhibit, Heading, Paragraph, plain_text

ASKED = {"source_id": "sim", "county_code": "530199", "school_year": 2024}
OPENING = OpeningBlock("资源", (("数据", "甲表"),), (), simulated=False)
TABLE = TableBlock("cv", "各校情况", ({"label": "学校", "align": "left"},), (("甲校",),))


def fill(folder: Path, text: str, blocks: Any = None, **values: Any) -> Any:
    path = folder / "county.md.j2"
    path.write_text(text, encoding="utf-8")
    part = part_from_template(path, opening=OPENING, blocks=blocks or {}, values=values, parameters=ASKED)
    return build_document([part], run_id="demo", packages={})


def test_values_and_blocks_take_their_places_and_references_resolve(tmp_path: Path) -> None:
    text = "## 概况\n\n{{ name }}的情况见@tbl-cv。\n\n{{ block('cv') }}\n\n{% for x in more %}- {{ x }}\n{% endfor %}"
    document = fill(tmp_path, text, {"cv": TABLE}, name="云岭县", more=["甲", "乙"])
    kinds = [type(item).__name__ for item in document.sections[0].items]
    assert kinds == ["Heading", "Paragraph", "Exhibit", "ItemList"]
    heading, sentence, exhibit, _ = document.sections[0].items
    assert isinstance(heading, Heading) and heading.number == "（一）"
    assert plain_text(sentence.words) == "云岭县的情况见表1。"
    assert isinstance(exhibit, Exhibit) and exhibit.block == TABLE


@pytest.mark.parametrize(
    ("text", "blocks", "words"),
    [
        ("{{ nmae }}", {}, "nmae"),
        ("{{ name.first }}", {}, "first"),
        ("{% for %}", {}, "第 1 行"),
        ("正文", {"cv": TABLE}, "cv"),
        ("{{ block('cv') }}{{ block('cv') }}", {"cv": TABLE}, "恰好出现一次"),
        ("{{ block('cw') }}", {"cv": TABLE}, "cw"),
    ],
)
def test_names_and_blocks_must_fit(tmp_path: Path, text: str, blocks: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        fill(tmp_path, text, blocks, name="云岭县")
    assert "county.md.j2" in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(name=st.text("甲a1 *_[](){}<>#+-.!|@$~^\\`:&;x/", min_size=1).map(str.strip).filter(bool))
def test_a_value_is_text_and_never_markup(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    document = fill(tmp_path_factory.mktemp("template"), "甲{{ name }}乙", name=name)
    (only,) = document.sections[0].items
    assert isinstance(only, Paragraph)
    assert plain_text(only.words) == f"甲{name}乙"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("甲\n\n{{ 1 / 0 }}", "第 3 行"),
        ("{% include 'other.md' %}", "自成一体"),
        ("{{ block() }}", "没有写块名"),
        ("{{ name() }}", "不能填写"),
        ("{{ name.__class__.__mro__ }}", "不能填写"),
        ("{{ row.low }}", "None"),
        ("{{ nothing }}", "nothing"),
        ("{% if nothing %}甲{% endif %}", "nothing"),
    ],
)
def test_what_a_template_cannot_do_is_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        fill(tmp_path, text, name="云岭县", nothing=None, row={"low": None})
    assert "county.md.j2" in caught.value.where


def test_a_value_that_is_none_counts_as_not_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"取值为空（None）的名字：nothing"):
        fill(tmp_path, "{{ nothing }}", nothing=None)
    document = fill(tmp_path, "甲{{ nothing | default('（缺）') }}", nothing=None)
    assert plain_text(document.sections[0].items[0].words) == "甲（缺）"


def test_a_template_is_utf8_with_or_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "county.md.j2"
    given: dict[str, Any] = {"opening": OPENING, "blocks": {}, "values": {}, "parameters": ASKED}
    path.write_text("## 概况", encoding="utf-8-sig")
    document = build_document([part_from_template(path, **given)], run_id="demo", packages={})
    assert [item.text for item in document.sections[0].items] == ["概况"]
    path.write_text("## 概况", encoding="gb18030")
    with pytest.raises(InputError, match="另存为 UTF-8") as caught:
        part_from_template(path, **given)
    assert "county.md.j2" in caught.value.where


@pytest.mark.parametrize("name", ["&lt;", "[^1]", "[^-]", "@moe-2017", "@Tbl-a *x*"])
def test_a_value_is_neither_entity_nor_reference(tmp_path: Path, name: str) -> None:
    document = fill(tmp_path, "*甲* {{ name }}乙", name=name)
    assert plain_text(document.sections[0].items[0].words) == f"甲 {name}乙"
