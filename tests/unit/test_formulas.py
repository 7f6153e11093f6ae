"""Formulas: one LaTeX source, the same signs in MathML, Word and typst, and nothing that could act as code."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from markupsafe import Markup

from qbresearch.errors import InputError
from qbresearch.publication.formulas import Formula, parse_formula, spoken, to_mathml, to_omml, to_typst

ROOT = Path(__file__).parents[2]
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
GOLDEN = json.loads((ROOT / "tests/golden/data/pandoc-formulas.json").read_text(encoding="utf-8"))["formulas"]
# One mark has different codes as a sign of its own (MathML) and as one that combines with a letter (Word, typst).
MARKS = {
    "̂": "^", "̃": "~", "̄": "¯", "̅": "¯", "‾": "¯", "̇": "˙", "̈": "¨", "⃗": "→", "̌": "ˇ", "̆": "˘", "́": "´",
    "̀": "`", "∣": "|", "*": "∗", "·": "⋅", "⎯": "", "̲": "",
}  # fmt: skip
EVERYTHING = (
    r"\sum_{i=1}^n x_i + \prod\nolimits_j y_j = \int_0^1 f(x)\,\mathrm{d}x",
    r"a\overset{\text{def}}{=}b,\ \underset{i}{m}\ \stackrel{d}{\to} N",
    r"\underbrace{a+b}_{n\text{ 项}}+\overbrace{c}^{k}+\underbrace{d}+\underline{AB}",
    r"\begin{cases} 1, & x\ge 0.85 \\[2pt] 0, & \text{其他}\end{cases}",
    r"\begin{aligned} a &= -b & c &> d \\ &= e \end{aligned}",
    r"\begin{gathered} a = b \\ c \end{gathered} \begin{array}{lcr} 1 & 2 & 3 \\ 4 & 5 \end{array}",
    r"\begin{vmatrix} a & b \\ c & d \end{vmatrix} \begin{matrix} 1 \end{matrix}",
    r"\sum_{\substack{i=1\\ i\ne j}}^n \binom{n}{k} \dfrac12 \tfrac{1}{2} \sqrt[3]{x}",
    r"\operatorname*{arg max}_\theta \ln L(\theta) + \log_{10} \exp x + \operatorname{组内 CV}(x) - \sin",
    r"\mathbb{R}\mathcal{L}\mathfrak{g}\mathsf{X}\mathtt{x}\mathbf{Xy_1}\boldsymbol{\beta}\mathit{diff}\Sigma\mathbf\Sigma",
    r"\bigl( x \bigr) \Big| \{ y \} \lVert z \rVert |x|^2 |y E(Y|X) \left\{\frac ab\right\rangle (0,1] [",
    r"f''(x)^2 + x'_{i}^2 + {}_a b + x^{} + {} - 'q + 1{,}000.5 + 50\% \not= \not\in x_12^34",
    r"\displaystyle\sum_i x \textstyle\sum_i y \lim\limits_{x\to0} \max\nolimits_i",
    r"a\quad b\qquad c\! d~e\; f\ g 县_i \hat{x}\bar{x}\tilde{x}\vec{x}\dot{x}\ddot{x}\check x\breve x\acute x\grave x",
    r"\text{50\% \_ \& \# \$ \{ \} a~b} \infty/\partial x \cdots \ldots \forall \emptyset \% \# \$ \& \_ ! ? @ : ;",
    "≤ ≥ α β ∑ × · − ∞ Σ ′",
)


def formula(tex: str, *, display: bool = True) -> Formula:
    return parse_formula(tex, display=display, where="笔记本 甲，第 3 个单元格")


# what a reader sees of each format, sign by sign


def seen(texts: Iterator[str]) -> str:
    joined = "".join(MARKS.get(char, char) for text in texts for char in text)
    folded = unicodedata.normalize("NFKC", joined.translate(str.maketrans("¨´¯˘", "‥ˊˉᵕ")))
    return "".join(char for char in folded if not char.isspace() and unicodedata.category(char) != "Cf")


def in_mathml(element: ElementTree.Element) -> Iterator[str]:
    tag = element.tag.rpartition("}")[2]
    children = list(element)
    if tag == "mroot":
        children.reverse()
    yield element.text or ""
    for child in children:
        stretched = child.text in ("‾", "\u0332") and child.get("stretchy") == "true"
        yield from () if stretched else in_mathml(child)


def in_omml(element: etree._Element) -> Iterator[str]:
    tag = element.tag.removeprefix(M)
    properties = element.find(f"{M}{tag}Pr")

    def sign(name: str, default: str = "") -> str:
        found = None if properties is None else properties.find(f"{M}{name}")
        return default if found is None else found.get(f"{M}val", "")

    if tag == "nary":
        yield sign("chr", "∫")
    if tag == "d":
        yield sign("begChr", "(")
    if tag == "t":
        yield element.text or ""
    for child in element:
        yield from in_omml(child)
    if tag in ("acc", "groupChr"):
        yield sign("chr")
    if tag == "d":
        yield sign("endChr", ")")


def typst_content(source: str) -> Any:
    """What typst itself understands by a source."""
    found = json.loads(typst.query(f"$ {source} $".encode(), "math.equation", ignore_system_fonts=True))
    assert len(found) == 1
    return found[0]["body"]


def in_typst(content: Any) -> Iterator[str]:
    if isinstance(content, list):
        for part in content:
            yield from in_typst(part)
    if not isinstance(content, dict):
        return
    if content["func"] == "cases":
        yield "{"
    if content["func"] in ("mat", "binom") and (delimiters := content.get("delim") or ["(", ")"]):
        yield delimiters[0] or ""
    yield content["text"] if isinstance(content.get("text"), str) else ""
    order = ("base", "b", "t", "tr", "num", "upper", "denom", "lower", "index", "radicand", "text")
    for key in (*order, "body", "child", "children", "rows", "annotation"):
        if key == "annotation" and content["func"] in ("underbrace", "overbrace"):
            yield "⏟" if content["func"] == "underbrace" else "⏞"
        if not isinstance(content.get(key), str):
            yield from in_typst(content.get(key))
    yield "′" * content.get("count", 0) + content.get("accent", "")
    if content["func"] in ("mat", "binom") and delimiters:
        yield delimiters[1] or ""


def all_seen(made: Formula) -> tuple[str, str, str]:
    return (
        seen(in_mathml(ElementTree.fromstring(to_mathml(made)))),
        seen(in_omml(to_omml(made))),
        seen(in_typst(typst_content(to_typst(made)))),
    )


# the same signs everywhere


def notebook_formulas() -> list[str]:
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                found += [a or b for a, b in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", cell.source, re.DOTALL)]
    return sorted(set(found))


def test_the_notebooks_hold_formulas():
    assert len(notebook_formulas()) > 20


@pytest.mark.parametrize("display", [True, False])
@pytest.mark.parametrize("tex", [*notebook_formulas(), *EVERYTHING])
def test_three_formats_show_the_same_signs(tex, display):
    mathml, omml, typst_signs = all_seen(formula(tex, display=display))
    assert mathml == omml == typst_signs
    assert mathml


LETTER = st.sampled_from([*"abxyPXΣ", r"\beta", r"\varepsilon", "12", "0.05", r"\infty", r"\mathbf{X}", r"\mathrm{CV}"])
WORDS = st.text(alphabet='校县 "\\#$&<>()[]/;:,*_-`\'@=.~!|^%{}', min_size=1, max_size=6)
SIGN = st.sampled_from([*"+-=<>,;/", r"\times", r"\le", r"\sim", r"\mid", r"\,", r"\quad"])


def escaped(words: str) -> str:
    return "".join(f"\\{char}" if char in "#$&_%{}" else char for char in words.replace("\\", ""))


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(r"\frac{{{}}}{{{}}}".format, parts, parts),
        st.builds(r"{{{}}}_{{{}}}".format, parts, parts),
        st.builds(r"{{{}}}_{{{}}}^{{{}}}".format, parts, parts, parts),
        st.builds(r"\sum_{{{}}}^{{{}}} {}".format, parts, parts, parts),
        st.builds(r"\int {}".format, parts),
        st.builds(r"\sqrt{{{}}}".format, parts),
        st.builds(r"\sqrt[{}]{{{}}}".format, LETTER, parts),
        st.builds(r"\hat{{{}}}".format, parts),
        st.builds(r"\underbrace{{{}}}_{{{}}}".format, parts, parts),
        st.builds(r"\left[{}\right)".format, parts),
        st.builds(r"({})^2".format, parts),
        st.builds(r"|{}|".format, parts),
        st.builds(r"\ln {}".format, parts),
        st.builds(r"\max_{{{}}} {}".format, parts, parts),
        st.builds(r"\begin{{cases}} {} & {} \\ {} \end{{cases}}".format, parts, parts, parts),
        st.builds(r"\begin{{aligned}} {} &= {} \\ &= {} \end{{aligned}}".format, parts, parts, parts),
        st.builds("{} {} {}".format, parts, SIGN, parts),
        st.builds("{} {}".format, parts, parts),
    )


TEX = st.recursive(LETTER | st.builds(lambda w: rf"\text{{{escaped(w)}}}", WORDS), larger, max_leaves=7)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(TEX, st.booleans())
def test_any_formula_shows_the_same_signs_in_three_formats(tex, display):
    mathml, omml, typst_signs = all_seen(formula(tex, display=display))
    assert mathml == omml == typst_signs


PIECES = (
    *"abx12+-=<>,;/.()[]|{}^_'&~!?*: ", "校", "α", "−", r"\\", r"\frac", r"\sqrt", r"\left", r"\right", r"\sum",
    r"\limits", r"\hat", r"\text{x", r"\mathbf", r"\begin{cases}", r"\end{cases}", r"\underbrace", r"\overset", r"\max",
    r"\ln", r"\not", r"\substack", r"\operatorname{x}", r"\big", r"\displaystyle", r"\,", r"\foo", "%", "#", "$",
)  # fmt: skip


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_a_formula_or_is_refused(tex):
    try:
        made = formula(tex)
    except InputError as refusal:
        assert refusal.found
    else:
        assert len(set(all_seen(made))) == 1


def test_every_formula_compiles_and_is_tagged_with_its_alternative_text():
    equations = "\n\n".join(
        f'#math.equation(block: true, alt: {json.dumps(spoken(made))}, $ {to_typst(made)} $)'
        for made in map(formula, [*EVERYTHING, *(f["tex"] for f in GOLDEN)])
    )
    fonts = '#show math.equation: set text(font: ("New Computer Modern Math", "Workbench Serif SC"))'
    source = f'#set document(title: "t")\n#set text(lang: "zh")\n{fonts}\n{equations}'.encode()
    fonts_folder = [ROOT / "qbresearch/fonts"]
    pdf = typst.compile(source, format="pdf", pdf_standards=["ua-1"], ignore_system_fonts=True, font_paths=fonts_folder)
    assert pdf.startswith(b"%PDF")


@pytest.mark.system
def test_office_mathematics_is_valid(tmp_path):
    audit = pytest.importorskip("openxml_audit")
    docx = pytest.importorskip("docx")
    document, faults = docx.Document(), []
    for name in ("plain.docx", "formulas.docx"):
        document.save(tmp_path / name)
        faults.append([error.description for error in audit.OpenXmlValidator().validate(str(tmp_path / name)).errors])
        for tex in (*EVERYTHING, *(f["tex"] for f in GOLDEN)):
            for display in (True, False):
                document.add_paragraph("式 ")._p.append(to_omml(formula(tex, display=display)))
    plain, with_formulas = faults
    assert with_formulas == plain  # what the template of the library does wrong is not ours


# beside pandoc

STRUCTURES = {
    "mathml": tuple("mfrac msqrt mroot msub msup msubsup munder munderover mover mtable mtr mtd".split()),
    "omml": ("f", "rad", "nary", "acc", "bar", "sSub", "sSup", "sSubSup", "limLow"),
    "typst": ("frac", "root", "attach", "accent", "overline"),
}


def typst_functions(content: Any) -> Iterator[str]:
    parts = content if isinstance(content, list) else content.values() if isinstance(content, dict) else ()
    for part in parts:
        yield from typst_functions(part)
    if isinstance(content, dict) and "func" in content:
        yield content["func"]


def counted(found: Iterator[str], of: tuple[str, ...]) -> Counter[str]:
    return Counter(name for name in found if name in of)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_signs_and_structures_are_those_of_pandoc(case):
    made = formula(case["tex"])
    ours, theirs = ElementTree.fromstring(to_mathml(made)), ElementTree.fromstring(case["mathml"])
    expected = seen(in_mathml(theirs))
    # pandoc marks a long line by the sign of a short one
    expected = expected.replace("ABˉ", "AB")
    assert seen(in_mathml(ours)) == expected
    tags = [[element.tag.rpartition("}")[2] for element in tree.iter()] for tree in (ours, theirs)]
    assert counted(iter(tags[0]), STRUCTURES["mathml"]) == counted(iter(tags[1]), STRUCTURES["mathml"])

    office = to_omml(made)
    other = etree.fromstring(case["omml"].replace("<m:oMath>", f'<m:oMath xmlns:m="{M[1:-1]}">'))
    assert seen(in_omml(office)) == seen(in_omml(other)).replace("&", "")
    tags = [[element.tag.removeprefix(M) for element in tree.iter(f"{M}*")] for tree in (office, other)]
    assert counted(iter(tags[0]), STRUCTURES["omml"]) == counted(iter(tags[1]), STRUCTURES["omml"])

    content, pandoc = typst_content(to_typst(made)), typst_content(case["typst"])
    assert seen(in_typst(content)) == seen(in_typst(pandoc))
    found = [counted(typst_functions(tree), STRUCTURES["typst"]) for tree in (content, pandoc)]
    assert found[0] == found[1]


# what each format needs


def omml(tex: str, *, display: bool = True) -> etree._Element:
    return to_omml(formula(tex, display=display))


def word(element: etree._Element | None) -> str:
    assert element is not None
    return seen(in_omml(element))


@pytest.mark.parametrize(
    ("tex", "operands"),
    [
        (r"A = \sum_g a_g b_g + \sum_g c_g = d", ["agbg", "cg"]),
        (r"\sum_i (x_i - \bar x)^2 + 1", ["(xi−xˉ)2"]),
        (r"\sum_i\sum_j x_{ij}, y", ["∑jxij", "xij"]),
        (r"\sum\,-x \quad y", ["−x"]),
        (r"\sum |a-b| - c", ["|a−b|"]),
        (r"\frac{\sum x}{2} y", ["x"]),
        (r"\sum_i", [""]),
    ],
)
def test_a_sum_in_word_holds_its_term(tex, operands):
    found = [word(nary.find(f"{M}e")) for nary in omml(tex).iter(f"{M}nary")]
    assert found == operands


def test_limits_stand_below_a_sum_only_where_there_is_room():
    def places(tex: str, display: bool) -> list[str]:
        return [e.get(f"{M}val", "") for e in omml(tex, display=display).iter(f"{M}limLoc")]

    assert places(r"\sum_i x \int_0 y", True) == ["undOvr", "subSup"]
    assert places(r"\sum_i x", False) == ["subSup"]
    assert places(r"\frac{\sum_i x}{n}", True) == ["subSup"]
    assert places(r"\sum\limits_i x", False) == ["undOvr"]
    assert places(r"\sum\nolimits_i x", True) == ["subSup"]
    assert places(r"\displaystyle\sum_i x", False) == ["undOvr"]
    assert to_typst(formula(r"\sum\nolimits_i x")).startswith("attach(scripts(∑),b: i)")
    assert to_typst(formula(r"\int\limits_i x")).startswith("attach(limits(∫),b: i)")
    assert "<msub><mo>∑" in to_mathml(formula(r"\sum\nolimits_i x"))
    assert '<munder><mo movablelimits="false">∑' in to_mathml(formula(r"\sum\limits_i x"))


@pytest.mark.parametrize("display", [True, False])
def test_limits_of_a_name_stand_below_it(display):
    assert len(list(omml(r"\lim_{n} x + \max\nolimits_i y", display=display).iter(f"{M}limLow"))) == 1
    assert 'movablelimits="true">lim' in to_mathml(formula(r"\lim_n x", display=display))


def test_functions_in_word_know_their_argument():
    functions = omml(r"\ln x y + \log_2 (a+b) c").iter(f"{M}func")
    found = [(word(function.find(f"{M}fName")), word(function.find(f"{M}e"))) for function in functions]
    assert found == [("ln", "x"), ("log2", "(a+b)")]
    assert not list(omml(r"\ln = 1").iter(f"{M}func"))
    assert [word(f.find(f"{M}e")) for f in omml(r"\ln\exp x + y").iter(f"{M}func")] == ["expx", "x"]


def test_brackets_are_paired_in_word_and_a_single_bar_is_not():
    signs = [
        (d.find(f"{M}dPr/{M}begChr").get(f"{M}val"), d.find(f"{M}dPr/{M}endChr").get(f"{M}val"), word(d.find(f"{M}e")))
        for d in omml(r"(a(b)] |c| P(d|e) (f").iter(f"{M}d")
    ]
    assert signs == [("(", "]", "a(b)"), ("(", ")", "b"), ("|", "|", "c"), ("(", ")", "d|e")]
    assert "d∣e" in "".join(omml("P(d|e)").itertext())  # LibreOffice reads the bar of the keyboard as "or"
    assert [d[0][0].get(f"{M}val") for d in omml("P(a|b)(c|d)").iter(f"{M}d")] == ["(", "("]
    grows = [len(list(omml(tex).iter(f"{M}grow"))) for tex in ("(x)", r"\left(x\right)")]
    assert grows == [1, 0]


@pytest.mark.parametrize(
    "tex", ["x^{}", "{}_i", r"\frac{}{2}", r"\sum", r"\sqrt{}", r"\begin{matrix}a&\\&b\end{matrix}"]
)
def test_no_place_in_word_is_empty(tex):
    places = [e for tag in ("e", "num", "den", "sub", "lim") for e in omml(tex).iter(f"{M}{tag}")]
    assert places
    assert all(len(place) for place in places)


def test_letters_of_other_fonts_are_characters_of_their_own_on_the_web():
    assert "<mi>ℝ</mi>" in to_mathml(formula(r"\mathbb{R}"))
    assert "<mi>𝐗</mi>" in to_mathml(formula(r"\mathbf X"))
    assert "<mi>𝜷</mi>" in to_mathml(formula(r"\boldsymbol\beta"))
    assert '<mi mathvariant="normal">d</mi>' in to_mathml(formula(r"\mathrm{d}"))
    assert "<mi>ICC</mi>" in to_mathml(formula(r"\mathrm{ICC}"))


@pytest.mark.parametrize(
    "tex", [r"\sqrt{x}", r"\overline{x}", r"\hat{x}", r"\frac{1}{x}", r"\begin{matrix}x\end{matrix}", "y_x"]
)
def test_a_font_reaches_every_letter_below_it(tex):
    made = formula(rf"\mathbf{{{tex}}}")
    assert "𝐱" in to_mathml(made)
    assert '#math.upright(math.bold("x"))' in to_typst(made)
    run = next(run for run in to_omml(made).iter(f"{M}r") if word(run) == "x")
    assert run.find(f"{M}rPr/{M}sty").get(f"{M}val") == "b"


def test_a_minus_is_a_sign_where_nothing_stands_before_it():
    signs = re.findall(r"<mo( form=.prefix.)?>−", to_mathml(formula(r"-a-b=-c(-d)\times-e")))
    assert [bool(sign) for sign in signs] == [True, False, True, True, True]


def test_aligned_columns_touch_and_cases_start_left():
    assert "text-align:-webkit-right;padding-right:0" in to_mathml(formula(r"\begin{aligned}a&=b\end{aligned}"))
    assert to_mathml(formula(r"\begin{cases}a&b\end{cases}")).count("text-align:-webkit-left") == 2


def test_a_line_break_at_the_end_makes_no_row():
    made = formula(r"\begin{aligned} a &= b \\ c &= d \\ \end{aligned}")
    assert to_mathml(made).count("<mtr>") == 2
    assert len(list(to_omml(made).iter(f"{M}mr"))) == 2


def test_what_an_equality_relates_is_in_the_cell_before():
    cells = [row[1] for row in omml(r"\begin{aligned} a &= b \end{aligned}").iter(f"{M}mr")]
    assert [cell[0].find(f"{M}rPr/{M}nor") is not None for cell in cells] == [True]  # no fault in LibreOffice
    assert '""display(\\=b)' in to_typst(formula(r"\begin{aligned} a &= b \end{aligned}"))


def test_the_gap_of_a_line_is_no_text():
    mathml, word_signs, typst_signs = all_seen(formula(r"\begin{cases} a \\[2pt] b \\ [c] \end{cases}"))
    assert mathml == word_signs == typst_signs == "{ab[c]"


def test_a_brace_carries_its_label():
    made = formula(r"\underbrace{x}_{n} + \overbrace{y}^{m}")
    assert "<munder><munder><mi>x</mi>" in to_mathml(made)
    assert "<mover><mover><mi>y</mi>" in to_mathml(made)
    places = [place for tag in ("limLow", "limUpp") for place in to_omml(made).iter(f"{M}{tag}")]
    assert [(word(place.find(f"{M}e/{M}groupChr")), word(place.find(f"{M}lim"))) for place in places] == [
        ("x⏟", "n"), ("y⏞", "m"),
    ]  # fmt: skip
    assert to_typst(made) == "underbrace(x,n)\\+overbrace(y,m)"


def test_blanks_of_words_are_kept():
    made = formula(r"a\text{ 若 }b")
    assert "<mtext>\u00a0若\u00a0</mtext>" in to_mathml(made)
    run = next(text for text in to_omml(made).iter(f"{M}t") if "若" in (text.text or ""))
    assert run.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    assert to_typst(made) == 'a" 若 "b'


def test_a_group_of_one_sign_has_no_gaps():
    assert to_typst(formula("1{,}000")) == '1#math.class("normal",",")000'
    assert '<mo lspace="0" rspace="0">,</mo>' in to_mathml(formula("1{,}000"))


def test_a_script_is_one_sign_unless_it_is_a_group():
    assert [word(sup) for sup in omml("x^12 y^{12} z^-1").iter(f"{M}sup")] == ["1", "12", "−"]


def test_typst_keeps_letters_apart_without_a_printed_blank():
    assert to_typst(formula(r"xy\text{校}z")) == 'x/**/y"校"z'


def test_a_formula_is_read_and_written_once_and_each_caller_gets_an_element_of_its_own():
    tex = r"\bar{x}_{once}"
    made = formula(tex)
    assert formula(tex).tree is made.tree
    assert to_mathml(made) is to_mathml(formula(tex))
    assert to_omml(made) is not to_omml(made)
    assert etree.tostring(to_omml(made)) == etree.tostring(to_omml(made))


def test_display_decides_the_outer_elements():
    assert omml("x").tag == f"{M}oMathPara"
    assert omml("x", display=False).tag == f"{M}oMath"
    assert 'display="block"' in to_mathml(formula("x"))
    assert "display=" not in to_mathml(formula("x", display=False))


def test_what_stands_side_by_side_is_not_deep():
    long = "+".join([r"\sum_i \ln(x_i) (y)"] * 60)
    assert len(set(all_seen(formula(long)))) == 1


def test_what_is_told_is_the_source_in_one_line():
    assert spoken(formula("\n a \n  + b ")) == "a + b"


# what is refused


@pytest.mark.parametrize(
    ("tex", "problem", "named"),
    [
        ("", "空的", "空白"),
        (r"\foo x", "不能出版的命令", r"\foo"),
        (r"\href{https://example.org}{x}", "不能出版的命令", r"\href"),
        (r"\class{banner}{x}", "不能出版的命令", r"\class"),
        (r"\style{color:red}{x}", "不能出版的命令", r"\style"),
        (r"\def\a{\a\a}\a", "不能出版的命令", r"\def"),
        (r"\newcommand{\a}{b}", "不能出版的命令", r"\newcommand"),
        (r"\unicode{x202e}", "不能出版的命令", r"\unicode"),
        (r"\verb|x|", "不能出版的命令", r"\verb"),
        (r"\color{red} x", "不能出版的命令", r"\color"),
        (r"\tag{1} x", "编号由出版给出", r"\tag"),
        (r"\label{eq:a} x", "编号由出版给出", r"\label"),
        (r"\frac{a}{b", "没有配对", r"\frac"),
        (r"\frac{a}", "没有写完", r"\frac"),
        ("x^", "没有写完", "^"),
        ("x_", "没有写完", "_"),
        (r"\text", "没有写完", r"\text"),
        (r"\begin", "没有写完", r"\begin"),
        ("a}", "多了一个右花括号", "}"),
        ("a & b", "不在表格环境里", "&"),
        (r"a \\ b", "不在表格环境里", r"\\"),
        ("x^a^b", "两个上标", "^"),
        ("x_a_b", "两个下标", "_"),
        ("x^a'", "两个上标", "'"),
        (r"\left( x", "没有配对", r"\left"),
        (r"x \right)", "没有对应", r"\right"),
        (r"\left x \right)", "定界符", r"\left"),
        (r"\begin{tikzpicture}\end{tikzpicture}", "不能出版的环境", "tikzpicture"),
        (r"\begin{cases} a", "没有配对", "cases"),
        (r"\begin{cases} a \end{matrix}", "没有配对", "cases"),
        (r"\end{cases}", "没有对应", r"\end"),
        (r"\begin{array}{l|r} a & b \end{array}", "只能是 l、c、r", "l|r"),
        (r"\begin{array}{l} a & b \end{array}", "列多", "2 列"),
        (r"\begin{gathered} a & b \end{gathered}", "不能再分列", "&"),
        (r"\text{a $x$}", "只能是文字", "$"),
        (r"\text{\href{x}}", "只能是文字", r"\href"),
        (r"\operatorname{<b>}", "函数名", "<b>"),
        (r"\mathbb{\alpha}", "没有这种字体", "α"),
        (r"\not x", r"\not", r"\not"),
        ("100%", "不能这样用", "%"),
        ("$x$", "不能这样用", "$"),
        ("#panic()", "不能这样用", "#"),
        ('"a"', "不能这样用", '"'),
        ("差异系数，x", "不能这样用", "，"),
        ("a\\", "不能这样用", "\\"),
        ("x\u202ey", "控制字符", "U+202E"),
        ("x\x00", "控制字符", "U+0000"),
        ("{" * 60 + "}" * 60, "太深", "40 层"),
        (r"\hat" * 60 + "x", "太深", "40 层"),
        (r"\sum " * 60, "太深", "40 层"),
        (r"\ln " * 60, "太深", "40 层"),
        ("(" * 60 + ")" * 60, "太深", "40 层"),
        ("x+" * 3000, "太长", "6000"),
    ],
)
def test_what_a_format_could_not_print_is_refused_by_name(tex, problem, named):
    with pytest.raises(InputError) as caught:
        formula(tex)
    assert problem in caught.value.problem
    assert named in caught.value.found
    assert caught.value.where.startswith("笔记本 甲，第 3 个单元格")
    assert spoken(tex)[:50] in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize(
    "attack",
    [
        '"#panic()"', '"+panic()', "]#panic()", "$#panic()$", "</m:t><m:r>", "</mtext><script>", "&lt;script&gt;",
        "'); //", "*/ #panic() /*", "// x", "`#panic()`", "#{panic()}", "@ref", "<label>", "%x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", [r"\text{%s}", r"\frac{\text{%s}}{2}", r"\underbrace{x}_{\text{%s}}"])
def test_words_of_a_formula_are_words_in_every_format(attack, frame):
    made = formula(frame % escaped(attack))
    wanted = seen(iter([attack.replace("\\", "")]))
    assert isinstance(to_mathml(made), Markup)
    for signs in all_seen(made):
        assert wanted in signs
    assert "<script" not in to_mathml(made)
    assert all(tag.tag.startswith(M) for tag in to_omml(made).iter())


@pytest.mark.parametrize(
    "tex", ["<script>alert(1)</script>", "a<b>c", r"\operatorname{script}<x", "x;y:z", "a/b", "a.b", "-> <= ..."]
)
def test_signs_of_a_formula_are_no_markup_in_any_format(tex):
    made = formula(tex)
    assert "<script" not in to_mathml(made)
    assert len(set(all_seen(made))) == 1
