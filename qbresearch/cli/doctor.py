"""What the computer must have for each thing the package does, found out by doing it once.

Nothing here prints. A check finds one fact, says what it found, and where something is amiss how to put it right.
"""

from __future__ import annotations

import io
import json
import locale
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qbresearch.engines.task import Task
from qbresearch.errors import InputError, system_refusal
from qbresearch.language import CHINESE
from qbresearch.project import Project, find_project
from qbresearch.provenance import PACKAGE

if TYPE_CHECKING:
    from qbresearch.engines.choice import Choice

GOOD, WARNING, MISSING = "good", "warning", "missing"
MARKS = {GOOD: "✓", WARNING: "！", MISSING: "✗"}
KERNEL = "python3"
KERNEL_SECONDS = 60
LITTLE_SPACE, TOO_LITTLE_SPACE = 2 * 1024**3, 200 * 1024**2
MEMORY_OF_A_WORKER = 600 * 1024**2
_PROBE = "import qbresearch"
_RUN_SECONDS = 60
_FORMULA = r"CV=\frac{1}{\bar{X}}\sqrt{\sum_{i=1}^{n}\frac{P_i}{P}(X_i-\bar{X})^2}"
_SENTENCE = "鄠邑区、浉河区、猇亭区"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    name : str
        What was looked at, in Chinese.
    state : {"good", "warning", "missing"}
        ``missing`` is something without which a part of the package does not work.
    found : str
        What was found, one sentence in Chinese.
    fix : str
        What to do about it; empty where all is well.
    """

    name: str
    state: str
    found: str
    fix: str = ""

    @property
    def mark(self) -> str:
        """✓, ！ or ✗."""
        return MARKS[self.state]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def run_checks(start: Path | None = None) -> tuple[Check, ...]:
    """Every check, in the order in which a reader would put things right.

    Parameters
    ----------
    start : Path, optional
        Where to look for the project from; the current folder unless given.
    """
    project, found = check_project(start)
    checks = [check_python(), *check_packages(), found]
    checks += [check() for check in (check_kernel, check_engine, check_fonts, check_pdf, check_word, check_formulas, check_console)]
    checks += [check_space(project.root if project else Path.cwd()), check_machine(), check_viewers(), check_unneeded()]
    return tuple(checks)


def is_ready(checks: Iterable[Check]) -> bool:
    """Whether nothing essential is missing."""
    return all(check.state != MISSING for check in checks)


# Python and its packages


def check_python() -> Check:
    """The version of Python against the oldest one the package runs on."""
    wanted, version = _requirements()[0], ".".join(map(str, sys.version_info[:3]))
    if _numbers(version) >= _numbers(wanted):
        return Check("Python", GOOD, f"{version}（{sys.executable}）")
    fix = f"安装 Python {wanted} 或更新版本；用 conda：conda create -n qbresearch python={wanted}"
    return Check("Python", MISSING, f"{version} 太旧，需要 {wanted} 或更新版本", fix)


def check_packages() -> tuple[Check, ...]:
    """Every package against its lowest version: one check in all when they are well, else one for each that is not."""
    _, wanted, conda_names = _requirements()
    faults = []
    for name, lowest in wanted.items():
        version = _installed(name)
        if version is None or _numbers(version) < _numbers(lowest):
            found = f"版本 {version} 太旧，需要 {lowest} 或更新版本" if version else f"没有安装，需要 {lowest} 或更新版本"
            faults.append(Check(f"软件包 {name}", MISSING, found, _installing(name, lowest, conda_names)))
    return tuple(faults) or (Check("软件包", GOOD, f"{len(wanted)} 个都已安装，版本符合要求"),)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _installing(name: str, lowest: str, conda_names: dict[str, str]) -> str:
    pip = f'python -m pip install "{name}>={lowest}"'
    return f'conda install -c conda-forge "{conda_names[name]}>={lowest}"；或 {pip}' if name in conda_names else pip


def _requirements() -> tuple[str, dict[str, str], dict[str, str]]:
    """Lowest Python, lowest version of each package, and the name in conda of each that conda has.

    The project's own pyproject.toml is asked before what was noted when the package was installed: a package that is
    used from its folder may have been updated since. Installed without its folder it came by pip, and so does the rest:
    then nothing is said of conda.
    """
    path = PACKAGE.parent / "pyproject.toml"
    if not path.is_file():
        python = metadata.metadata("qbresearch")["Requires-Python"]
        lines = metadata.requires("qbresearch") or ()
        return python.removeprefix(">="), _lowest(line for line in lines if "extra ==" not in line), {}
    whole = tomllib.loads(path.read_text(encoding="utf-8"))
    own, wanted = whole["tool"]["qbresearch"], _lowest(whole["project"]["dependencies"])
    conda_names = {name: own["conda-names"].get(name, name) for name in wanted if name not in own["pip-only"]}
    return whole["project"]["requires-python"].removeprefix(">="), wanted, conda_names


def _lowest(requirements: Iterable[str]) -> dict[str, str]:
    return dict(match.groups() for line in requirements if (match := re.match(r"([\w.-]+?)>=([\d.]+)", line)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


# the project and its notebooks


def check_project(start: Path | None = None) -> tuple[Project | None, Check]:
    """The project that a folder lies in, and whether results can be written there."""
    try:
        project = find_project(start)
    except InputError as error:
        return None, Check("项目文件夹", MISSING, f"{error.where}：{error.found}", error.fix)
    for folder in (project.processed, project.reports):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            refusal = system_refusal(error)
            found = f"{folder} 不能写入" + (f"（{refusal.found}）" if refusal else "")
            return project, Check("项目文件夹", MISSING, found, refusal.fix if refusal else "换一个可以写入的位置")
    return project, Check("项目文件夹", GOOD, f"{project.root}，可以写入")


def check_kernel() -> Check:
    """A kernel for the notebooks, started once; it must be of this very environment."""
    name = "笔记本内核"
    fix = "python -m pip install ipykernel，再运行 python -m ipykernel install --sys-prefix --name python3"
    conda = f"conda install -c conda-forge ipykernel；或 {fix}"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return Check(name, MISSING, "没有安装 jupyter_client", conda)
    try:
        command = KernelSpecManager().get_kernel_spec(KERNEL).argv
    except NoSuchKernel:
        return Check(name, MISSING, f"没有名为 {KERNEL} 的内核，笔记本不能运行", conda)
    failure = _start_kernel()
    if failure:
        return Check(name, MISSING, f"内核 {KERNEL}（{command[0]}）不能用：{failure}", conda)
    return Check(name, GOOD, f"{KERNEL} 能启动，也能读到 qbresearch")


def _start_kernel() -> str:
    """Start the kernel, let it import the package, and end it; why that did not work, if it did not."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name=KERNEL)
    try:
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        return str(error)
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        reply = client.execute_interactive(_PROBE, timeout=KERNEL_SECONDS, output_hook=lambda message: None)["content"]
        return "" if reply["status"] == "ok" else f"{reply['ename']}：{reply['evalue']}"
    except (RuntimeError, TimeoutError) as error:
        return f"{KERNEL_SECONDS} 秒内没有应答（{error}）"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def check_engine() -> Check:
    """How notebooks are run here and why; the warm engine is started once and runs a notebook of one cell."""
    from qbresearch.engines.choice import ENVIRONMENT_NAME, choose_engine

    name = "运行引擎"
    try:
        choice = choose_engine("auto")
    except InputError as error:
        return Check(name, MISSING, f"{error.where}：{error.problem}，看到 {error.found}", error.fix)
    if choice.name != "warm":  # its kernel has been looked at by itself
        return Check(name, GOOD, f"{choice.name}（{choice.reason}）")
    failure = _run_once(choice)
    if failure:
        fix = f"先用标准引擎：qbresearch run 批次 --engine standard，或设置环境变量 {ENVIRONMENT_NAME}=standard"
        return Check(name, MISSING, f"{choice.name} 不能用：{failure}", fix)
    return Check(name, GOOD, f"{choice.name}（{choice.reason}），试运行成功")


def _run_once(choice: Choice) -> str:
    """Run a notebook of one cell; why that did not work, if it did not."""
    cell = {"cell_type": "code", "id": "probe", "metadata": {}, "source": _PROBE, "outputs": [], "execution_count": None}
    kernel = {"name": KERNEL, "display_name": KERNEL, "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    with tempfile.TemporaryDirectory() as folder:
        task = Task("probe", json.dumps(notebook), {}, output_folder=folder, cwd=folder, root=folder, timeout=_RUN_SECONDS)
        (outcome,) = choice.run([task], 1)
    return "" if outcome.error is None else f"{outcome.error['name']}：{outcome.error['message']}"


# what reports are made with


def check_fonts() -> Check:
    """The fonts of the package: every file there, and one that can be read."""
    from qbresearch.fonts import FAMILIES, missing_glyphs

    files = [path for family in FAMILIES for path in family.files.values()]
    fix = "字体文件是本软件的一部分：重新安装 qbresearch，或从原来的压缩包中取回 qbresearch/fonts"
    if lost := [path.name for path in files if not path.is_file()]:
        return Check("字体", MISSING, "缺少 " + "、".join(lost), fix)
    if damaged := [path.name for path in files if not _opens(path)]:
        return Check("字体", MISSING, "打不开 " + "、".join(damaged), fix)
    if undrawn := missing_glyphs(_SENTENCE, FAMILIES):
        return Check("字体", MISSING, f"字体中没有 {undrawn}", fix)
    return Check("字体", GOOD, f"随软件提供的 {len(FAMILIES)} 种共 {len(files)} 个文件齐全，不使用系统字体")


def _opens(font: Path) -> bool:
    from matplotlib.ft2font import FT2Font

    try:
        FT2Font(str(font))
    except (RuntimeError, OSError):
        return False
    return True


def check_pdf() -> Check:
    """The PDF writer typst, on one line of Chinese."""
    from qbresearch.fonts import FONT_FOLDER, SERIF

    try:
        import typst

        data = typst.compile(
            f'#set text(font: "{SERIF.name}")\n{_SENTENCE}'.encode(), font_paths=[FONT_FOLDER], ignore_system_fonts=True
        )
    except ImportError as error:
        return Check("PDF（typst）", MISSING, f"typst 不能载入（{error}）", _installing_typst())
    except RuntimeError as error:
        return Check("PDF（typst）", MISSING, f"typst 排不出一行字（{error}）", _installing_typst())
    return Check("PDF（typst）", GOOD, f"typst {_installed('typst')} 能排版中文，{len(data)} 字节")


def _installing_typst() -> str:
    return "python -m pip install --upgrade typst（conda 环境中同样用 pip；不需要安装 typst 命令）"


def check_word() -> Check:
    """The Word writer of the reports, on one with a title and nothing else, whose text is looked for in the file."""
    try:
        from qbresearch.publication.docx import write_docx
        from qbresearch.publication.model import Appendix, Document
    except ImportError as error:
        fix = "conda install -c conda-forge lxml；或 python -m pip install --upgrade lxml"
        return Check("Word", MISSING, f"Word 的生成部分不能载入（{error}）", fix)
    document = Document(
        kind="doctor", language=CHINESE, title=_SENTENCE, topic="", subtitle="", cover=(), keywords=(), run_id="doctor",
        county_code="", county_name="", school_year="", source_id="", sections=(), stages=(), works=(),
        appendix=Appendix("附录", ()),
    )
    fix = "重新安装 qbresearch，或从原来的压缩包中取回 qbresearch 文件夹"
    try:
        data = write_docx(document)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read("word/document.xml").decode("utf-8")
    except InputError as error:
        return Check("Word", MISSING, f"写不出文件：{error.problem}（{error.where}）", fix)
    except (zipfile.BadZipFile, KeyError) as error:
        return Check("Word", MISSING, f"写出的文件读回来不完整（{error}）", fix)
    if _SENTENCE not in text:
        return Check("Word", MISSING, "写出的文件读回来不一样", fix)
    return Check("Word", GOOD, f"能写出 .docx 文件，{len(data)} 字节；不需要安装 Word")


def check_formulas() -> Check:
    """The converter of formulas, on that of the weighted coefficient of variation, into all three formats."""
    fix = "conda install -c conda-forge lxml；或 python -m pip install --upgrade lxml"
    try:
        from qbresearch.publication.formulas import (
            parse_formula,
            to_mathml,
            to_omml,
            to_typst,
        )
    except ImportError as error:
        return Check("公式", MISSING, f"公式转换不能载入（{error}）", fix)
    formula = parse_formula(_FORMULA, display=True, where="qbresearch doctor")
    for convert in (to_mathml, to_omml, to_typst):
        convert(formula)
    return Check("公式", GOOD, "差异系数公式能转成网页、Word 与 PDF 三种写法")


# the computer


def check_console(encoding: str | None = None) -> Check:
    """The encoding that files and pipes have by default here; ours are UTF-8 whatever it is."""
    encoding = encoding or locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Check("文字编码", GOOD, "UTF-8")
    return Check(
        "文字编码", WARNING, f"本机默认 {encoding}；qbresearch 的输出一律是 UTF-8，存成文件后用别的程序打开可能显示为乱码",
        "设置环境变量 PYTHONUTF8=1；Windows 命令行先运行 chcp 65001",
    )


def check_space(folder: Path) -> Check:
    """Free space on the disk of a folder."""
    free = shutil.disk_usage(folder).free
    found = f"剩余 {free / 1024**3:.1f} GB"
    if free < TOO_LITTLE_SPACE:
        return Check("磁盘空间", MISSING, f"{found}，写不下结果", "腾出至少 2 GB")
    if free < LITTLE_SPACE:
        return Check("磁盘空间", WARNING, f"{found}，大批量运行可能不够", "腾出至少 2 GB")
    return Check("磁盘空间", GOOD, found)


def check_machine() -> Check:
    """Processors and memory, and how many notebooks they let run at a time."""
    import psutil

    processors, memory = os.cpu_count() or 1, psutil.virtual_memory().total
    found = f"{processors} 个处理器核，内存 {memory / 1024**3:.1f} GB"
    workers = max(1, min(processors, int(memory / MEMORY_OF_A_WORKER)))
    if workers < processors:
        return Check("处理器与内存", WARNING, f"{found}，内存偏少", f"运行批次时加 --workers {workers}")
    return Check("处理器与内存", GOOD, f"{found}，可同时运行 {workers} 个笔记本")


def check_viewers(which: Callable[[str], str | None] = shutil.which) -> Check:
    """A program to look at Word files with; reports are written without one."""
    office = which("soffice") or which("libreoffice")
    found = "有 LibreOffice" if office else "没有找到 LibreOffice"
    return Check("查看 Word 文件", GOOD, f"{found}；用 Word、WPS 或 LibreOffice 都可以看，生成报告不需要它们")


def check_unneeded() -> Check:
    """What other tools need and this one does not, so that nobody goes looking for it."""
    return Check("不需要的软件", GOOD, "不使用 pandoc、LaTeX 和浏览器，不必安装")
