"""Strict reading of the cited parameters of a simulation: what entries of each key look like, and what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbresearch.errors import CitationError, check_choice
from qbresearch.rules.citations import (
    CITATION_KEYS,
    check_keys,
    entries,
    read_citation,
    read_toml,
)


@dataclass(frozen=True, slots=True)
class EntryForm:
    """What the entries of one key of a file look like.

    ``field`` is where they go in the parameters, ``numbers`` are the keys whose numbers their quotation prints; entries
    that are not ``cited`` say what the program writes.
    """

    cls: Callable[..., Any]
    field: str
    required: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    cited: bool = True


def read_parameters(
    path: Path,
    facts: tuple[str, ...],
    forms: Mapping[str, EntryForm],
    *,
    choices: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Any]:
    """Facts of a file and the entries of each key, by the fields that they fill.

    ``choices`` are the values that a key may have in whichever entry it stands.

    Raises
    ------
    CitationError
        A key is missing or unknown, a source is not registered, or a number does not stand in its quotation.
    """
    data, where = read_toml(path), path.name
    check_keys(data, required=(*facts, "source", *forms), where=where)
    for entry, place in entries(data, "source", where):
        check_keys(entry, required=("id", "title", "read", "where"), where=place)
    sources = {source["id"] for source in data["source"]}
    lists = {
        form.field: tuple(_entry(e, form, sources, choices or {}, place) for e, place in entries(data, key, where))
        for key, form in forms.items()
    }
    return {fact: data[fact] for fact in facts} | lists


def check_names(found: Iterable[Any], expected: Iterable[Any], name: str, where: str, problem: str) -> None:
    """Refuse names of which one is unknown, missing or twice there."""
    found, expected = list(found), list(expected)
    for value in found:
        check_choice(value, expected, name=name, where=where)
    if absent := [e for e in expected if found.count(e) != 1]:
        raise CitationError(
            problem, where=where, found=f"{absent[0]} 有 {found.count(absent[0])} 条", expected=f"每个{name}恰好一条",
            fix="补齐或删去重复的一条",
        )


def numbers_in(value: Any) -> list[float]:
    """Every number in a value, however deeply it lies; texts have none."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return [n for v in value for n in numbers_in(v)]
    return [value] if isinstance(value, (int, float)) else []


def frozen(value: Any) -> Any:
    """Lists as tuples, so that entries cannot be changed."""
    if isinstance(value, Mapping):
        return {key: frozen(v) for key, v in value.items()}
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


def _entry(
    entry: Mapping[str, Any], form: EntryForm, sources: set[str], choices: Mapping[str, Collection[str]], where: str
) -> Any:
    about = (CITATION_KEYS, ("reading", "note")) if form.cited else ((), ())
    check_keys(entry, required=(*form.required, *about[0]), optional=(*form.optional, *about[1]), where=where)
    for name in choices.keys() & entry.keys():
        check_choice(entry[name], choices[name], name=name, where=where)
    values = {k: frozen(entry[k]) for k in (*form.required, *form.optional) if k in entry}
    if not form.cited:
        return form.cls(**values)
    numbers = [n for k in form.numbers if k in entry for n in numbers_in(entry[k])]
    return form.cls(**values, citation=read_citation(entry, sources=sources, where=where, numbers=numbers))
