"""A report with every kind of item and every difficult text, for the tests of all writers. All of it is invented."""

from __future__ import annotations

import struct
import zlib

from qbresearch.exhibits.blocks import FigureBlock, OpeningBlock, RecordBlock, TableBlock
from qbresearch.publication.model import (
    Appendix,
    Break,
    Citation,
    Document,
    Equation,
    Exhibit,
    Finding,
    FormulaWords,
    Heading,
    Item,
    ItemList,
    Line,
    Link,
    Note,
    Paragraph,
    Quotation,
    Reference,
    Section,
    Text,
    Verbatim,
    Words,
    Work,
)

RARE_NAMES = "鄠邑区、浉河区、瀍河回族区、猇亭区、硚口区、湾沚区、埇桥区、㵲水街道"
HOSTILE = ("<b>&\"'</b>", '=HYPERLINK("x")', "+1", "-2", "@cmd", "]]>", "#panic()", "$x$", "*a* _b_ `c` ~ \\", "</w:t>")
LONG_ROWS = 60
WIDE_COUNT = 14


def small_png(width: int = 640, height: int = 320, bars: tuple[int, ...] = (62, 48, 71, 35, 90, 55)) -> bytes:
    """A picture of bars on white, 200 dots an inch, made without any drawing library."""
    step = width // len(bars)
    rows = []
    for y in range(height):
        level = 100 * (height - 20 - y) / (height - 40)
        line = bytearray(b"\xff" * (3 * width))
        for index, bar in enumerate(bars):
            if 0 <= level <= bar:
                start = index * step + step // 4
                line[3 * start : 3 * (start + step // 2)] = bytes((58, 135, 194)) * (step // 2)
        if y == height - 20:
            line[:] = bytes(3 * width)
        rows.append(b"\0" + bytes(line))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    density = struct.pack(">IIB", 7874, 7874, 1)
    body = zlib.compress(b"".join(rows), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"pHYs", density)
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def sample_document(language: str = "zh") -> Document:
    """The sample report in one language; the same call gives an equal document.

    Parameters
    ----------
    language : {"zh", "en"}
    """
    return _Sample(language).document()


class _Sample:
    """Builds the sample; ``t`` picks the text of its language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def t(self, chinese: str, english: str) -> str:
        return chinese if self.language == "zh" else english

    def line(self, *words: str | Words) -> Line:
        return tuple(Text(word) if isinstance(word, str) else word for word in words)

    def p(self, *words: str | Words) -> Paragraph:
        return Paragraph(self.line(*words))

    def ref(self, kind: str, number: str) -> Reference:
        words = {"tbl": ("表", "Table "), "fig": ("图", "Figure "), "eq": ("式", "Equation ")}[kind]
        shown = self.t(f"（{number}）", f"({number})") if kind == "eq" else number
        return Reference(self.t(*words) + shown, f"{kind}-{number}")

    def columns(self, *labels: tuple[str, str, str]) -> tuple[dict[str, str], ...]:
        return tuple({"label": self.t(zh, en), "align": align} for zh, en, align in labels)

    def table(self, number: str, block: TableBlock, *notes: Line) -> Exhibit:
        return Exhibit(self.t("表", "Table "), number, f"tbl-{number}", block, notes)

    @property
    def source(self) -> str:
        return self.t(
            "测试县模拟数据（sim-test），2024—2025 学年", "simulated data of Test County (sim-test), 2024–2025"
        )

    # sections

    def document(self) -> Document:
        t = self.t
        standard = t("县域义务教育优质均衡发展督导评估办法（2017）", "Measures for quality balance (2017)")
        stages = tuple(
            self.stage(*values)
            for values in (
                (
                    "primary",
                    t("小学", "Primary"),
                    "met",
                    24,
                    22,
                    0.412,
                    t("每百名学生拥有体育、艺术（美术、音乐）专任教师数", "arts and sports teachers per 100 students"),
                    False,
                ),
                (
                    "junior",
                    t("初中", "Junior"),
                    "not_met",
                    9,
                    6,
                    0.531,
                    t("生均教学仪器设备值", "equipment value per student"),
                    True,
                ),
                ("all", t("一贯制", "All-through"), "undecided", 3, None, None, "", True),
            )
        )
        return Document(
            kind="county",
            language=self.language,
            title=t(
                "测试县2024—2025 学年义务教育优质均衡发展研究报告",
                "Test County 2024–2025: quality balance of compulsory education",
            ),
            topic=t("义务教育优质均衡发展研究报告", "quality balance of compulsory education"),
            subtitle=t("依据", "after ") + standard,
            cover=(
                (t("县（市、区）", "County"), t("测试县（代码 990101）", "Test County (code 990101)")),
                (t("学年", "School year"), t("2024—2025 学年", "2024–2025")),
                (t("数据来源", "Data"), "sim-test"),
                (t("批次", "Batch"), "sample-2024"),
            ),
            keywords=tuple(
                t(*pair)
                for pair in (
                    ("义务教育", "compulsory education"),
                    ("优质均衡", "quality balance"),
                    ("校际差异系数", "coefficient of variation"),
                    ("县域", "county"),
                )
            ),
            run_id="sample-2024",
            county_code="990101",
            county_name=t("测试县", "Test County"),
            school_year="2024",
            source_id="sim-test",
            sections=(self.first(), self.second(), self.refused()),
            stages=stages,
            works=(
                Work(1, "ref-1", "教育部. 县域义务教育优质均衡发展督导评估办法：教督〔2017〕6号[A]. 2017."),
                Work(
                    2,
                    "ref-2",
                    "测试作者甲，测试作者乙，测试作者丙，等. 校际差异的测量：“虚构条目”[J]. 测试学报，2020，1（2）：3-9.",
                ),
                Work(
                    3,
                    "ref-3",
                    "Smith J A，Lee B，Garcia M，et al. An invented work for tests[J]. Tests，2019，5（1）：1-20.",
                ),
            ),
            appendix=self.appendix(),
        )

    def stage(
        self,
        name: str,
        label: str,
        verdict: str,
        schools: int,
        met: int | None,
        cv: float | None,
        cv_label: str,
        doubt: bool,
    ) -> dict[str, object]:
        return {
            "stage": name,
            "stage_label": label,
            "county_name": self.t("测试县", "Test County"),
            "prefecture": "",
            "school_year": "2024",
            "standard_label": self.t("2017 办法", "2017 measures"),
            "verdict": verdict,
            "schools": schools,
            "schools_met": met,
            "largest_cv": cv,
            "largest_cv_label": cv_label,
            "cv_over_cap": verdict == "not_met",
            "indicators": 7,
            "rule_unverified": doubt,
            "row": self.t("学校", "Schools"),
            "counter": self.t("所", ""),
            **dict.fromkeys(("entries", "entries_met", "entries_not_met", "entries_undecided")),
        }

    def opening(self, title: str) -> OpeningBlock:
        t = self.t
        return OpeningBlock(
            title,
            facts=((t("数据", "Data"), "sim-test"), (t("标准", "Standard"), "national-2017")),
            cautions=(
                t(
                    "本节数据为程序生成的模拟数据，不代表任何真实的县或学校。",
                    "The data are simulated and stand for no real county or school.",
                ),
                t(
                    "初中“达标”规则的口径未核实，结论可能随口径改变。",
                    "How the junior stage is judged has not been verified.",
                ),
            ),
            simulated=True,
            parameters={"stage": "primary"},
        )

    def job(self, notebook: str, stage: str) -> dict[str, object]:
        parameters = {"source_id": "sim-test", "county_code": "990101", "school_year": 2024, "stage": stage}
        return {"name": f"{notebook}--{stage}", "notebook": notebook, "parameters": parameters, "key": "abc123"}

    def first(self) -> Section:
        t, line, p = self.t, self.line, self.p
        items: tuple[Item, ...] = (
            Finding(
                line(
                    t(
                        "测试县小学七项资源的差异系数均不高于 0.50，达标。",
                        "All seven coefficients of the primary stage are within 0.50.",
                    ),
                    self.ref("tbl", "1"),
                ),
                "met",
                True,
            ),
            Heading(t("（一）", "1.1 "), line(t("数据与方法", "Data and method")), 1, "sec-1-1"),
            p(
                t("全县 24 所小学（含", "The 24 primary schools (with "),
                Text("3", strong=True),
                t(" 个教学点）的资源配置见", " teaching points) are described in "),
                self.ref("tbl", "1"),
                t("，“校际差异”按", "; between-school “differences” follow "),
                self.ref("eq", "1"),
                t("计算——详见", " — see "),
                Link("https://example.org/a?b=1&c=2", t("督导评估办法", "the measures")),
                Citation("[1]", "ref-1"),
                t("；既有研究也这样做", "; so does earlier work"),
                Citation("[2-3]", "ref-2"),
                t("。", "."),
                Note(
                    1,
                    line(
                        t("注释中也有", "A note with "),
                        Text(t("强调", "emphasis"), emphasis=True),
                        t("与公式 ", " and a formula "),
                        FormulaWords("n-1"),
                        t("。", "."),
                    ),
                ),
            ),
            Heading(t("1. ", "1.1.1 "), line(t("差异系数 ", "The coefficient "), FormulaWords("CV")), 2, "sec-1-2"),
            p(
                t("其中 ", "Here "),
                FormulaWords(r"\bar{x}"),
                t(" 为以学生数加权的县均值，", " is the weighted mean; "),
                Text(t("加权", "weighting"), emphasis=True),
                t("不可省略；字段名为 ", " matters; the column is "),
                Text("students_total", code=True),
                t("。", "."),
                Break(),
                t("这一行从换行之后开始。", "This line begins after a line break."),
            ),
            Equation(
                "1",
                "eq-1",
                r"CV=\frac{1}{\bar{x}}\sqrt{\frac{\sum_{i=1}^{n}P_i(x_i-\bar{x})^2}{\sum_{i=1}^{n}P_i}}",
                t(
                    "差异系数等于以学生数加权的标准差除以加权均值",
                    "the coefficient of variation is the weighted standard deviation over the weighted mean",
                ),
            ),
            Equation(
                "",
                "",
                r"z=\frac{x-\mu}{\sigma}",
                t("标准分等于离差除以标准差", "the standard score is the deviation over the standard deviation"),
            ),
            Heading(t("（1）", "1.1.1.1 "), line(t("步骤", "Steps")), 3, "sec-1-3"),
            ItemList(
                (
                    (
                        p(t("先整理各校数据：", "First the schools are put in order:")),
                        ItemList(((p(t("在校学生数", "students")),), (p(t("专任教师", "teachers")),))),
                    ),
                    (
                        p(
                            t("再计算差异系数，", "then the coefficients are computed, "),
                            Text(t("逐项比较", "one by one"), strong=True),
                            t("。", "."),
                        ),
                    ),
                    (
                        p(t("最后给出结论。", "and last the verdict is given.")),
                        p(t("同一条目的第二段。", "A second paragraph of the same entry.")),
                    ),
                ),
                ordered=True,
            ),
            Heading("", line(t("补充说明", "Further remarks")), 4, "sec-1-4"),
            ItemList(
                (
                    (p(t("无序条目甲", "entry a")),),
                    (
                        p(t("无序条目乙", "entry b")),
                        Quotation((p(t("条目里的引文。", "a quotation within an entry.")),)),
                    ),
                ),
                ordered=False,
            ),
            ItemList(((p(t("从第五条开始", "begins with five")),), (p(t("第六条", "six")),)), ordered=True, start=5),
            Quotation(
                (
                    p(
                        t(
                            "每百名学生拥有高于规定学历教师数：小学、初中分别达到 4.2 人以上、5.3 人以上。",
                            "Teachers above the required qualification per 100 students: at least 4.2 and 5.3.",
                        )
                    ),
                )
            ),
            Verbatim("qbresearch run demo\n    --workers 2  # <&>\n"),
            self.table(
                "1",
                self.small_table(),
                line(t("生僻地名：", "Rare names: ") + RARE_NAMES + t("。", ".")),
                line(t("差异系数的计算见", "For the coefficient see "), self.ref("eq", "1"), t("。", ".")),
            ),
            p(
                t("从", "From "),
                self.ref("fig", "1"),
                t("可以看出各项差别不大；", " the differences are small; "),
                self.ref("tbl", "2"),
                t("给出各校明细，", " lists the schools and "),
                self.ref("tbl", "3"),
                t("是分项表。", " the parts."),
            ),
            self.figure(),
            self.table("2", self.wide_table("wide", t("各校十三项指标明细", "Thirteen indicators by school"), 18)),
            self.table(
                "3",
                self.wide_table("wide2", t("各校十三项指标明细（续）", "Thirteen indicators by school (continued)"), 6),
            ),
            p(
                t("两张宽表之后回到纵向页面。地名：", "After both wide tables the page stands upright again. Names: ")
                + RARE_NAMES
                + t("。", ".")
            ),
        )
        record = RecordBlock("county", {"stage": "primary", "stage_label": t("小学", "Primary"), "verdict": "met"})
        title = t("小学资源配置", "Resources of primary schools")
        return Section(
            t("一", "1"), "sec-1", title, self.job("20-resource", "primary"), items, self.opening(title), (record,)
        )

    def second(self) -> Section:
        t, line, p = self.t, self.line, self.p
        hostile = [word for text in HOSTILE for word in (Text(text), Text(t("；", "; ")))]
        items: tuple[Item, ...] = (
            Finding(
                line(
                    t(
                        "初中有 3 所学校未达标，最大差异系数 0.531，超过 0.45 的上限。",
                        "Three junior schools fail; the largest coefficient, 0.531, is over 0.45.",
                    )
                ),
                "not_met",
                True,
            ),
            Finding(
                line(t("一所学校缺少数据，无法判定。", "One school lacks data and stays undecided.")), "undecided", True
            ),
            Finding(
                line(t("学校少于 10 所，只作描述。", "Fewer than ten schools: description only.")), "caution", False
            ),
            Finding(line(t("这一条没有色调。", "This finding has no tone.")), "plain", False),
            Heading(
                t("（一）", "2.1 "),
                line(RARE_NAMES.split("、")[0], t("式的标题“引号”与 ", " in a heading, "), Text("A&B <c>", code=True)),
                1,
                "sec-2-1",
            ),
            p(
                t("分组表头见", "Merged heads are in "),
                self.ref("tbl", "4"),
                t("，长表见", ", the long table is "),
                self.ref("tbl", "5"),
                t("。", "."),
            ),
            self.table("4", self.merged_table()),
            p(
                t("危险文本原样显示：", "Dangerous texts are shown as they are: "),
                *hostile,
                Text('<script>alert("x")</script>', strong=True),
            ),
            ItemList(tuple((p(text),) for text in HOSTILE)),
            self.table(
                "5",
                self.long_table(),
                line(t("共 60 行，用于检验跨页表头。", "Sixty rows, to test heads across pages.")),
            ),
            self.table(
                "6",
                TableBlock(
                    "empty",
                    t("没有内容的表", "A table without rows"),
                    self.columns(("学校", "School", "left"), ("数", "Value", "right")),
                    (),
                ),
            ),
            p(
                t(
                    "最后一段：“引号”、破折号——、省略号……与间隔号·都用中文字形。",
                    "The last paragraph: “quotes”, a dash — and an ellipsis…",
                )
            ),
        )
        record = RecordBlock("county", {"stage": "junior", "stage_label": t("初中", "Junior"), "verdict": "not_met"})
        title = t("初中资源配置", "Resources of junior schools")
        return Section(
            t("二", "2"), "sec-2", title, self.job("20-resource", "junior"), items, self.opening(title), (record,)
        )

    def refused(self) -> Section:
        t = self.t
        reason = t(
            "关联分析需要监测结果，测试县没有 <2024> 年的结果。",
            "The link study needs results; Test County has none for <2024>.",
        )
        return Section(
            t("三", "3"),
            "sec-3",
            t("资源与质量的关联", "Resources and results"),
            self.job("50-link", "junior"),
            refusal=reason,
        )

    # exhibits

    def small_table(self) -> TableBlock:
        t = self.t
        rows = (
            (t("鄠邑区测试小学", "Test school 鄠邑"), "1,024", "5.21", "0.98", t("达标", "met")),
            (t("浉河<第一>小学", "Test school 浉河 <1>"), "312", "4.10", "−0.12", t("未达标", "not met")),
            (t("㵲水街道中心小学", "Test school 㵲水"), "96", "—", "—", t("无法判定", "undecided")),
            ('=HYPERLINK("x")', "8", "12.345", "+1", "@cmd"),
        )
        columns = self.columns(
            ("学校", "School", "left"),
            ("在校学生数（人）", "Students", "right"),
            ("每百名学生高于规定学历教师数（人）", "Teachers per 100 students", "right"),
            ("变化", "Change", "right"),
            ("结论", "Verdict", "center"),
        )
        return TableBlock(
            "small",
            t("小学资源配置“达标”情况", "Primary schools: attainment"),
            columns,
            rows,
            source=self.source,
            tones=("met", "not_met", "undecided", "plain"),
        )

    def wide_table(self, name: str, caption: str, count: int) -> TableBlock:
        numbered = [
            (f"指标{n}（平方米）" if n % 4 == 0 else f"指标{n}", f"Indicator {n}", "right")
            for n in range(1, WIDE_COUNT)
        ]
        rows = tuple(
            (
                self.t(f"测试县第{i}小学", f"Test school {i}"),
                *(f"{(i * 37 + n * 101) % 997 / 10 ** (n % 3):,.2f}" for n in range(1, WIDE_COUNT)),
            )
            for i in range(1, count + 1)
        )
        return TableBlock(name, caption, self.columns(("学校", "School", "left"), *numbered), rows, source=self.source)

    def merged_table(self) -> TableBlock:
        t = self.t
        columns = self.columns(
            ("学段", "Stage", "left"),
            ("均值", "Mean", "right"),
            ("差异系数", "CV", "right"),
            ("均值", "Mean", "right"),
            ("差异系数", "CV", "right"),
            ("说明", "Remark", "left"),
        )
        rows = (
            (
                t("小学", "Primary"),
                "4.82",
                "0.412",
                "8.31",
                "0.377",
                t(
                    "两项均在上限之内，且与上一学年相比差距缩小",
                    "both within the caps and smaller than the year before",
                ),
            ),
            (
                t("初中", "Junior"),
                "5.60",
                "0.531",
                "10.04",
                "0.298",
                t("仪器设备值超过上限", "equipment is over the cap"),
            ),
        )
        heads = (
            ("", 1),
            (t("生均教学仪器设备值", "Equipment per student"), 2),
            (t("生均教学及辅助用房面积", "Floor area per student"), 2),
            ("", 1),
        )
        return TableBlock(
            "merged",
            t("两项指标的均值与差异系数", "Means and coefficients"),
            columns,
            rows,
            source=self.source,
            heads=heads,
        )

    def long_table(self) -> TableBlock:
        names = RARE_NAMES.split("、")
        rows = tuple(
            (
                str(i),
                f"{names[i % len(names)]}{self.t('测试小学', ' test school')} {i}",
                f"{i * 13 % 900 + 100:,}",
                f"{i * 7 % 100 / 10:.1f}",
            )
            for i in range(1, LONG_ROWS + 1)
        )
        columns = self.columns(
            ("序号", "No.", "center"),
            ("学校", "School", "left"),
            ("学生数", "Students", "right"),
            ("生师比", "Ratio", "right"),
        )
        return TableBlock("long", self.t("全部学校名单", "All schools"), columns, rows, source=self.source)

    def figure(self) -> Exhibit:
        t = self.t
        block = FigureBlock(
            "bars",
            t("六项指标的差异系数", "Six coefficients"),
            t("柱状图：六根柱，最高的是第五根", "Bar chart of six bars; the fifth is the highest"),
            small_png(),
            640,
            320,
            source=self.source,
        )
        note = self.line(t("模拟数据；柱高为差异系数的百倍。", "Simulated data; bars show the coefficients times 100."))
        return Exhibit(t("图", "Figure "), "1", "fig-1", block, (note,))

    def appendix(self) -> Appendix:
        t = self.t
        word = t("附表", "Appendix table ")
        facts = TableBlock(
            "app-1",
            t("数据来源与规则", "Data and rules"),
            self.columns(("项目", "Item", "left"), ("内容", "Content", "left"), ("适用部分", "Sections", "left")),
            (
                (t("数据", "Data"), "sim-test", t("全部", "all")),
                (t("标准", "Standard"), "national-2017（教督〔2017〕6号，2017-04-19 发布）", t("一、二", "1, 2")),
            ),
        )
        versions = TableBlock(
            "app-2",
            t("软件版本", "Software"),
            self.columns(("软件包", "Package", "left"), ("版本", "Version", "left")),
            (("numpy", "2.4.0"), ("pandas", "3.0.1")),
        )
        items: tuple[Item, ...] = (
            self.p(t("“适用部分”指正文的部分序号。", "Sections are those of the text.")),
            Exhibit(word, "1", "app-1", facts),
            Exhibit(word, "2", "app-2", versions),
            self.p(t("校验和（SHA-256）：", "Checksum (SHA-256): "), Text("0123456789abcdef" * 4, code=True)),
        )
        return Appendix(
            t("附录：参数、数据来源、规则与软件版本", "Appendix: parameters, data, rules and software"), items
        )
