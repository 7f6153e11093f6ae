"""A county's evaluation in the form of a published research report."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qbresearch.errors import InputError, check_choice
from qbresearch.exhibits.blocks import OpeningBlock, RecordBlock
from qbresearch.exhibits.evaluation_tables import printed_code
from qbresearch.exhibits.sentences import part_sentence
from qbresearch.language import listed, say
from qbresearch.results.evaluation.tree import combine
from qbresearch.results.plans.problems import recommend
from qbresearch.results.resources.dispersion import compare_groups
from qbresearch.studies.evaluation import EvaluationStudy
from qbresearch.studies.study import Study

SECTION = "section"


@dataclass(frozen=True)
class ReportStudy:
    """A county's evaluation in the form of a published research report: the sections of the plan say what they hold."""

    evaluation: EvaluationStudy

    @property
    def study(self) -> Study:
        """The schools of the county."""
        return self.evaluation.study

    def opening(self, title: str) -> OpeningBlock:
        """First block; see :meth:`EvaluationStudy.opening`."""
        return self.evaluation.opening(title)

    def codes(self, section_id: str) -> pd.DataFrame:
        """Rows of the tree that a section reports, with what stands below them."""
        return self.evaluation.branch(*self._codes(section_id))

    def verdict(self, section_id: str) -> str:
        """Whether all that a section reports is met."""
        return self.verdict_of(*self._codes(section_id))

    def verdict_of(self, *codes: str) -> str:
        """Whether all items of these codes are met."""
        return combine(self.evaluation.verdict(code) for code in codes)

    def sentence(self, section_id: str, *, title: str) -> str:
        """What of a section is met and what is not, in words; ``title`` names the section."""
        return self.sentence_of(*self._codes(section_id), title=title)

    def sentence_of(self, *codes: str, title: str) -> str:
        """What of these items is met and what is not, in words."""
        tree = self.evaluation.tree()
        items = tree[tree["code"].isin(codes)].assign(parent=SECTION, depth=2)
        head = tree[tree["depth"].eq(1)].head(1).assign(code=SECTION, label=title, verdict=self.verdict_of(*codes), decides=True)
        below = tree[tree["parent"].isin(codes)]
        rows = pd.concat([tree[tree["depth"].eq(0)], head, items, below], ignore_index=True)
        return part_sentence(rows, SECTION, place=self.study.place)

    def _codes(self, section_id: str) -> tuple[str, ...]:
        sections = {section.id: section for section in self.evaluation.plan.plan.sections}
        check_choice(section_id, sections, name="报告的部分", where=f"规划 {self.evaluation.plan.id}")
        return sections[section_id].codes

    def scope(self) -> pd.DataFrame:
        """Schools and students by stage: ``stage, schools, students``."""
        table = self.study.this_year
        words = self.study.stage_words()
        frame = table.keys.assign(students=table.students)
        found = frame.groupby("stage", sort=False).agg(schools=("school_code", "size"), students=("students", "sum"))
        return found.reset_index().assign(stage=lambda d: d["stage"].map(words))

    def parts(self) -> pd.DataFrame:
        """Items and verdicts by part; see :meth:`CountyEvaluation.counts`."""
        return self.evaluation.result().counts()

    def groups(self) -> pd.DataFrame:
        """Means of the indicators in urban, town and rural schools, stage by stage: ``stage, label, group, schools,
        mean``."""
        found = [
            compare_groups(self.study.this_year.for_stage(stage), by="location").assign(stage=stage)
            for stage in self.study.stage_words() if self.study.this_year.keys["stage"].eq(stage).any()
        ]
        return pd.concat(found, ignore_index=True)

    def gaps(self, verdict: str) -> pd.DataFrame:
        """Conditions with this verdict, each once and with the name of its item: what is not met worst first."""
        tree = self.evaluation.tree()
        names = tree.set_index("code")
        leaves = tree[~tree["code"].isin(tree["parent"]) & tree["verdict"].eq(verdict) & ~tree["code"].str.startswith("V-")]
        counts = [self._decides(code, names) for code in leaves["code"]]
        deciding = leaves[pd.Series(counts, index=leaves.index, dtype=bool)]
        labels = [
            names["label"][row.parent] + say("：") + row.label if row.depth > 2 else row.label for row in deciding.itertuples()
        ]
        relative = (deciding["margin"] / deciding["limit"].abs().where(deciding["limit"].ne(0))).fillna(0.0)
        return deciding.assign(label=labels, depth=0, worst=relative).sort_values("worst", kind="stable").reset_index(drop=True)

    def _decides(self, code: str, names: pd.DataFrame) -> bool:
        """Whether a condition counts: it and all above it do, and its item is not decided without it."""
        while code in names.index:
            row = names.loc[code]
            if not row["decides"] or row["verdict"] == "met":
                return False
            code = row["parent"]
        return True

    def recommendations(self, section_id: str, *ids: str) -> pd.DataFrame:
        """Recommendations of a section (of these ids) that gaps call for, with the numbers behind each."""
        found = recommend(self.evaluation.result().tree, self.evaluation.plan).tidy()
        own = found["section"].eq(section_id) & (found["recommendation"].isin(ids) if ids else True)
        return found[own].reset_index(drop=True)

    def unanswered(self) -> str:
        """Whether every item that is not met has a recommendation in this form, in words."""
        codes = recommend(self.evaluation.result().tree, self.evaluation.plan).unanswered
        if not codes:
            return say("未达标的条目都有对应的建议。")
        labels = self.evaluation.tree().set_index("code")["label"]
        named = (" ".join(filter(None, (printed_code(code), labels[code]))) for code in codes)
        return say("体例中没有对应建议的未达标条目：{codes}。", codes=listed(named))

    def record(self) -> RecordBlock:
        """What the index of reports lists."""
        return self.evaluation.record()


def follow_report(evaluation: EvaluationStudy) -> ReportStudy:
    """Report on a county in the form that a plan gives.

    Raises
    ------
    InputError
        The study has no plan, or the plan has no sections.
    """
    if not evaluation.plan.plan.sections:
        raise InputError(
            "规划没有报告体例", where=f"规划 {evaluation.plan.id}", found="没有 [[section]]", expected="有报告体例的规划，如 guzhen-2025",
            fix="改 plan_id 参数",
        )
    return ReportStudy(evaluation)
