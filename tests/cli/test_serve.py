"""`serve` shows the screen to who has its address, to nobody else; what a path holds is no command."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pyte
import pytest

from tests.commands import command
from tests.handmade import ols_trace
from tests.processes import ROOT

NAME = "o l's; touch pwned; $(touch pwned).backstep"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ols_trace(tmp_path_factory.mktemp("serve") / NAME, epochs=2)


@pytest.fixture(scope="module")
def address(trace: Path) -> Iterator[str]:
    """What a running server prints; it ends as Ctrl+C ends it, silently."""
    process = subprocess.Popen(
        [sys.executable, "-m", "backstep", "serve", NAME, "--at", "8", "--port", str(free_port())],
        cwd=trace.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C"},
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0 and told.count("\n") == 1, told


async def shown(client: aiohttp.ClientSession, origin: str, until: bytes) -> bytes:
    """What a socket of this origin receives, up to and with a text."""
    received = b""
    async with client.ws_connect(f"{origin}/ws?width=120&height=40", origin=origin) as socket_:
        while until not in received:
            message = await socket_.receive(timeout=30)
            assert message.type is aiohttp.WSMsgType.BINARY, message
            received += message.data
    return received


def test_the_screen_comes_to_who_has_the_address(address: str, trace: Path) -> None:
    async def visit() -> bytes:
        # A cookie of a server without a name is else not kept.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            async with client.get(address) as page:
                text = await page.text()
                assert page.status == 200 and NAME.split(";")[0].replace("'", "&#39;") in text
                loaded = re.findall(r"""<(?:link|script)[^>]*(?:href|src)=["']([^"']*)""", text)
                assert loaded and all(one.startswith(address.split("?")[0]) for one in loaded), "nothing from elsewhere"
                assert ".focus()" in text, "the keys are for the screen at once"
                policy = page.headers["Content-Security-Policy"]
                assert "http" not in policy and "frame-ancestors 'none'" in policy
                assert "HttpOnly" in page.headers["Set-Cookie"] and "SameSite=Strict" in page.headers["Set-Cookie"]
            return await shown(client, address.split("/?")[0], b"quit")

    terminal = pyte.Screen(120, 40)
    pyte.Stream(terminal).feed(asyncio.run(visit()).decode())
    screen = "\n".join(terminal.display)
    assert "event #8 of" in screen and "◀" in screen, f"at the position, and in all its characters\n{screen}"
    assert [path.name for path in trace.parent.iterdir()] == [NAME]


async def refused(client: aiohttp.ClientSession, server: str, origin: str | None) -> int:
    """The status with which a socket of this origin is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as told:
        await client.ws_connect(f"{server}/ws", origin=origin)
    return told.value.status


def test_nobody_else_is_let_in(address: str) -> None:
    origin = address.split("/?")[0]

    async def tried() -> list[int]:
        codes = []
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            for wrong in ("/", "/?token=", "/?token=é", "/download/x"):
                async with client.get(origin + wrong) as page:
                    codes.append(page.status)
            for other in ("http://evil.example", origin, None):
                codes.append(await refused(client, origin, other))
            async with client.get(address, headers={"Host": f"evil.example:{address.rpartition(':')[2]}"}) as page:
                codes.append(page.status)
            async with client.get(address):
                codes.append(await refused(client, origin, "http://evil.example"))
        return codes

    assert asyncio.run(tried()) == [403] * 9


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells there who listens")
def test_it_listens_on_the_loopback_alone(address: str) -> None:
    port = int(address.split("/?")[0].rpartition(":")[2])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert [one for one in listening if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_what_cannot_be_served_is_one_line(trace: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = address.split("/?")[0].rpartition(":")[2]
    for arguments, why in (
        ([trace, "--port", port], f"port {port}: "),
        ([trace, "--at", "900"], "900"),
        ([trace, "--port", "0"], "0 is not in the range"),
        ([Path(__file__)], "test_serve.py"),
    ):
        told = command("serve", *arguments)
        assert told.code == 2 and why in told.stderr and told.stderr.count("\n") == 1 and not told.stdout, told
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.delitem(sys.modules, "backstep.serving", raising=False)
    told = command("serve", trace)
    assert told.code == 2 and "the extra 'serve'" in told.stderr and told.stderr.count("\n") == 1


def children(pid: int) -> list[Path]:
    """The processes that a process has started, as Linux shows them."""
    return [Path(f"/proc/{child}") for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells there who started whom")
def test_an_open_tab_does_not_hold_the_server(trace: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "backstep", "serve", NAME, "--port", str(free_port())],
        cwd=trace.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    origin = address.split("/?")[0]

    async def visit() -> list[Path]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            async with client.get(address):
                pass
            async with client.ws_connect(f"{origin}/ws?width=80&height=24", origin=origin) as socket_:
                await socket_.receive(timeout=30)
                shown = children(process.pid)
                process.send_signal(signal.SIGINT)
                while not socket_.closed:
                    await socket_.receive(timeout=15)
        return shown

    shown = asyncio.run(visit())
    process.communicate(timeout=15)
    assert process.returncode == 0 and shown
    deadline = time.monotonic() + 15
    while any(one.exists() for one in shown):
        assert time.monotonic() < deadline, "the screen of the tab ends with the server"
        time.sleep(0.02)
