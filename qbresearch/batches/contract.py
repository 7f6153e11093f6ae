"""The contract of a notebook: which parameters it takes, read from its one cell tagged ``parameters``."""

from __future__ import annotations

import ast
import io
import json
import math
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qbresearch.errors import InputError
from qbresearch.provenance import json_sha256

Scalar = str | int | float | bool
FILLED_MARK = "（必填）"
TYPES = {"str": (str, "文本"), "int": (int, "整数"), "float": (float, "数值"), "bool": (bool, "true 或 false")}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of a notebook's parameters cell; ``required`` means that the line gives no default."""

    name: str
    type: str
    default: Scalar | None
    help: str
    required: bool

    @property
    def filled(self) -> bool:
        """Whether an empty text is refused: a default that stands only for trying the notebook out says so."""
        return self.help.endswith(FILLED_MARK)


@dataclass(frozen=True, slots=True)
class Template:
    """A notebook as it was when it was read; a batch runs exactly this text, whatever happens to the file.

    ``sha256`` is that of its cells, so that a notebook which has only been run by hand is the same notebook still.
    ``code`` are the sources of its code cells.
    """

    name: str
    text: str = field(repr=False)
    sha256: str
    parameters: dict[str, Parameter]
    code: tuple[str, ...] = field(repr=False)


def read_template(path: Path) -> Template:
    """Read a notebook and the contract in its one cell tagged ``parameters``.

    Every line of the cell reads ``name: type = default  # help``; without ``= default`` the parameter is required.
    Help that ends with ``（必填）`` forbids an empty text, whether it comes from a batch or is the default.

    Parameters
    ----------
    path : Path
        The ``.ipynb`` file.

    Raises
    ------
    InputError
        The file is not a notebook, has no such cell or several, or a line reads otherwise.
    """
    data = path.read_bytes()
    cells = _cells(data, path.name)
    sources = [source for _, source, metadata in cells if "parameters" in metadata.get("tags", [])]
    if len(sources) != 1:
        raise InputError(
            "参数单元格不是恰好一个",
            where=path.name,
            found=f"{len(sources)} 个带 parameters 标签的单元格" if sources else "没有带 parameters 标签的单元格",
            expected="恰好一个带 parameters 标签的代码单元格",
            fix="在 JupyterLab 右侧“属性检查器”中增删单元格标签 parameters",
        )
    contract = _read_contract(sources[0], path.name)
    code = tuple(source for kind, source, _ in cells if kind == "code")
    return Template(path.stem, data.decode("utf-8"), json_sha256(cells), contract, code)


def _cells(data: bytes, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, source and metadata of every cell; plain JSON, since importing nbformat costs more than planning."""
    try:
        cells = json.loads(data.decode("utf-8"))["cells"]
        return [(str(c["cell_type"]), "".join(c["source"]), dict(c.get("metadata", {}))) for c in cells]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "不是有效的笔记本文件",
            where=name,
            found=f"{type(error).__name__}：{error}",
            expected="JupyterLab 保存的 .ipynb（nbformat 4）",
            fix="在 JupyterLab 中打开并重新保存，或换回原来的文件",
        ) from None


def _read_contract(source: str, where: str) -> dict[str, Parameter]:
    try:
        statements = ast.parse(source).body
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise _contract_error(where, getattr(error, "lineno", None), str(error)) from None
    helps = {t.start[0]: t.string.lstrip("# ").rstrip() for t in tokens if t.type == tokenize.COMMENT}
    lines = source.splitlines()
    contract: dict[str, Parameter] = {}
    for statement in statements:
        parameter = _read_parameter(statement, helps.get(statement.end_lineno or 0, ""))
        if parameter is None or parameter.name in contract:
            raise _contract_error(where, statement.lineno, lines[statement.lineno - 1].strip())
        contract[parameter.name] = parameter
    return contract


def _read_parameter(statement: ast.stmt, help_text: str) -> Parameter | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=value) if kind in TYPES:
            if value is None:
                return Parameter(name, kind, None, help_text, required=True)
            try:
                default = coerce(ast.literal_eval(value), kind)
            except (ValueError, TypeError):
                return None
            return None if default is None else Parameter(name, kind, default, help_text, required=False)
    return None


def _contract_error(where: str, line: int | None, found: str) -> InputError:
    return InputError(
        "参数单元格有一行看不懂",
        where=where + (f" 的参数单元格第 {line} 行" if line else " 的参数单元格"),
        found=found,
        expected="每行写作 名称: 类型 = 默认值  # 说明；类型是 str、int、float、bool 之一，默认值与之相符，名称不重复",
        fix="按此格式改写这一行；其他代码放到别的单元格",
    )


def coerce(value: object, kind: str) -> Scalar | None:
    """Return ``value`` as the declared type, or None when it is of another one.

    Only a whole number given for a ``float`` is converted. ``True`` is no integer and ``990101`` no text: a code
    that was read as a number may already have lost a leading zero.
    """
    if kind == "float":
        return float(value) if type(value) in (int, float) and math.isfinite(value) else None  # type: ignore[arg-type]
    return value if type(value) is TYPES[kind][0] else None  # type: ignore[return-value]
