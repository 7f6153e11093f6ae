"""Everything behind one entry of the tree of verdicts, line by line."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from qbresearch.errors import check_choice
from qbresearch.exhibits.evaluation_tables import value_words, verdict_word
from qbresearch.exhibits.sentences import item_sentence
from qbresearch.language import clauses, say, series
from qbresearch.results.evaluation.county import CountyEvaluation
from qbresearch.results.evaluation.tree import Node
from qbresearch.rules.citations import status_words


def entry_lines(result: CountyEvaluation, code: str, schools: pd.DataFrame | None) -> tuple[str, ...]:
    """Value, limit, margin, elements, formula, clause and source of an entry and of what stands below it.

    Parameters
    ----------
    result : CountyEvaluation
    code : str
        Of any node, in capitals or not.
    schools : DataFrame or None
        Conditions judged school by school (``item, requirement, school, label, detail, value, unit, percent, verdict,
        reason``): those of this entry that are not met or undecided are listed. ``None`` leaves them out.

    Raises
    ------
    InputError
        No such entry; the choices are listed.
    """
    node = result.tree.find(known_code(result.tree, code))
    lines = list(_node_lines(node, 0))
    if schools is None:
        return tuple(lines)
    own = schools["item"].eq(node.code) | schools["requirement"].eq(node.code)
    failing = schools[own & schools["verdict"].isin(["not_met", "undecided"])]
    lines += [
        "  " + say("{school}：{what}，{verdict}（{reason}）", school=r.school, what=clauses(filter(None, (r.label, r.detail))),
                   verdict=verdict_word(r.verdict), reason=r.reason or value_words(r.value, r.unit, r.percent, limit=r.limit))
        for r in failing.itertuples()
    ]  # fmt: skip
    return tuple(lines)


def known_code(tree: Node, code: str) -> str:
    """The code of a node, however it is written in capitals and small letters."""
    codes = {node.code.casefold(): node.code for _, _, node in tree.walk()}
    return codes.get(code.casefold()) or check_choice(code, list(codes.values()), name="条目", where=tree.label)


def _node_lines(node: Node, depth: int) -> Iterable[str]:
    """A node and what stands below it; a child that alone decides is told with its item, which has its number."""
    indent = "  " * depth
    yield indent + item_sentence(node.to_dict())
    deciding = [child for child in node.children if child.decides]
    carried = deciding if len(deciding) == 1 and deciding[0].limit == node.limit and not deciding[0].children else []
    grounds = dict.fromkeys(line for one in (*carried, node) for line in _grounds(one))
    yield from (f"{indent}  {line}" for line in grounds)
    for child in node.children:
        if child not in carried:
            yield from _node_lines(child, depth + 1)


def _grounds(node: Node) -> Iterable[str]:
    """Formula, elements and citation of one node."""
    if node.formula:
        yield say("算式：{formula}", formula=node.formula)
    if node.elements:
        yield say("要素：{elements}", elements=series(
            _element(e.label, e.value, e.unit) + (f"（{e.place}）" if e.place else "") for e in node.elements
        ))  # fmt: skip
    if node.quote:
        yield say(
            "依据：{clause}“{quote}”（{source}；{status}）", clause=node.clause, quote=node.quote, source=node.source,
            status=status_words().get(node.status, node.status),
        )


def _element(label: str, value: float | None, unit: str) -> str:
    """A raw number; a document has its label alone."""
    return label if value is None and not unit else say("{label} {value}", label=label, value=value_words(value, unit, False))
