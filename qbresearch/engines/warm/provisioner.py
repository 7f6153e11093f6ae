"""The warm fork as a Jupyter kernel: ``papermill -k qbresearch-warm``, or a kernel to choose in JupyterLab.

A warm process listens on a socket that only its user can open, for all that the user starts; it ends when nobody has
needed it for a while. Its socket is named after the program and its packages, so that a change of either starts anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from qbresearch.engines.running import ENVIRONMENT, START_TIMEOUT
from qbresearch.engines.warm.handle import Fork, Line
from qbresearch.engines.warm.jobs import KernelJob
from qbresearch.engines.watching import kill_group
from qbresearch.errors import InputError
from qbresearch.provenance import PACKAGE, json_sha256, package_versions

NAME = "qbresearch-warm"
IDLE = 900.0
_POLL = 0.01
_UNKNOWN_END = -9


def install_kernel(prefix: Path) -> Path:
    """Install the kernel ``qbresearch-warm`` for everybody who looks for kernels below ``prefix``.

    Parameters
    ----------
    prefix : Path
        Such as ``sys.prefix``.

    Returns
    -------
    Path
        The folder of the kernel.
    """
    folder = prefix / "share" / "jupyter" / "kernels" / NAME
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "qbresearch（预热）",
        "language": "python",
        "metadata": {"debugger": False, "kernel_provisioner": {"provisioner_name": NAME}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return folder


class ForkedProcess:
    """A forked kernel, with as much of ``subprocess.Popen`` as a provisioner needs."""

    stdin = stdout = stderr = None

    def __init__(self, line: Line, fork: Fork) -> None:
        self._line, self._fork = line, fork
        self.returncode: int | None = None
        while fork.pid is None:
            report = line.report()
            if "refusal" in report:
                raise OSError(report["refusal"])
            fork.pid = report.get("pid")
        self.pid = fork.pid

    def poll(self) -> int | None:
        """Exit code, or None while it runs."""
        import select

        while self.returncode is None and select.select([self._line], [], [], 0)[0]:
            try:
                report = self._line.report()
            except EOFError:
                self.returncode = _UNKNOWN_END
            else:
                if "ended" in report:
                    self.returncode = report["code"]
            if self.returncode is not None:
                self._line.close()
                self._fork.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(NAME, timeout or 0.0)
            time.sleep(_POLL)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, with all that it has started."""
        if self.poll() is None:
            kill_group(self.pid)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):
    """Starts kernels as forks of the warm process."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel."""
        line = await asyncio.to_thread(connect)
        fork = line.fork()
        cwd, environment = str(kwargs.get("cwd") or os.getcwd()), dict(kwargs.get("env") or os.environ)
        launcher = next(n for n, word in enumerate(cmd) if "ipykernel" in word)
        fork.channel.send(KernelJob(tuple(cmd[launcher:]), cwd, environment))
        self.process = ForkedProcess(line, fork)  # type: ignore[assignment]
        self.pid = self.pgid = self.process.pid
        self.cwd = cwd
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the end of the kernel."""
        if self.process is None:
            return 0
        while (code := self.process.poll()) is None:
            await asyncio.sleep(_POLL)
        self.process = None
        return code


def socket_path() -> Path:
    """Where the warm process of this user, for this program and these packages, listens."""
    stamps = sorted((str(path), path.stat().st_mtime_ns) for path in PACKAGE.rglob("*") if path.suffix in {".py", ".toml"})
    state = json_sha256([sys.executable, package_versions(), stamps])[:16]
    # Sockets have short names, and folders of runtime files may be deep.
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"qbresearch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise InputError(
            "不能使用存放连接文件的文件夹", where=str(folder), found="它属于别人，或别人也能打开",
            expected="只有自己能打开的文件夹", fix="删除它，或设置环境变量 XDG_RUNTIME_DIR",
        )  # fmt: skip
    return folder / f"{state}.socket"


def connect() -> Line:
    """A line to the warm process, which is started if there is none.

    Raises
    ------
    TimeoutError
        It did not come up.
    """
    path = socket_path()
    with FileLock(path.with_suffix(".lock"), timeout=START_TIMEOUT):
        control = _knock(path)
        if control is None:
            _start(path)
            control = _knock(path)
    if control is None:
        raise ConnectionError(str(path))
    control.settimeout(START_TIMEOUT)
    line = Line(control)
    try:
        line.report()  # it answers when it has loaded everything
    except EOFError:
        raise TimeoutError("the warm process did not start") from None
    control.settimeout(None)
    return line


def _knock(path: Path) -> socket.socket | None:
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        control.connect(str(path))
    except OSError:
        control.close()
        return None
    return control


def _start(path: Path) -> None:
    """Start the process on a socket that is there from now on; who connects waits until it is loaded."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(64)
        command = [sys.executable, "-m", "qbresearch.engines.warm.zygote", "--listen", str(listener.fileno())]
        subprocess.Popen(
            [*command, "--idle", str(IDLE)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            cwd=PACKAGE.parent,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
