"""Fixtures for tests that want a recorded script and do not care how it came about."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import processes

if threading.current_thread() is threading.main_thread():
    # A shell lets what it runs in the background ignore SIGINT, and so do its children: here they are interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester"]  # which only the outermost conftest may name


@pytest.fixture
def record_script(tmp_path: Path) -> Callable[..., Path]:
    """`record_script(script, *arguments)` runs it headless, recorded, and gives the trace's path, however it ended."""

    def record(script: Path, *arguments: str) -> Path:
        outcome = processes.record(script, *arguments, cwd=tmp_path)
        trace = tmp_path / processes.TRACE
        assert trace.exists(), outcome.stderr
        return trace

    return record


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--op-db", action="store_true", help="record all of PyTorch's operator database, not a sample")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """On several processes, one that has nothing left to do takes from another: the longest tests come in a row."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"
