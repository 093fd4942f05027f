"""`backstep serve`: the screen in a browser. textual-serve, an extra, carries it; what is here keeps others out.

A loopback port is open to whoever is on the machine, and to each page that the browser shows. So whoever comes must
bring the secret of the address that was printed; the browser keeps it in a cookie of this server.
"""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from collections.abc import Sequence

import click
from aiohttp import web
from textual_serve.server import Server

HOST = "127.0.0.1"
PATIENCE = 1
"""Seconds that an open tab has when the server ends."""
FOREIGN = re.compile(rf"<link\b[^>]*https?://(?!{re.escape(HOST)})[^>]*>")
"""What the page would fetch from elsewhere: a font."""
FOCUS = """<script>
new MutationObserver((_, watching) => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) { keys.focus(); watching.disconnect(); }
}).observe(document.documentElement, {subtree: true, childList: true, attributes: true});
</script>"""
"""The keys are for the screen from its first picture on, without a click."""


class ScreenServer(Server):
    """A process of `backstep open` for each tab; reached from this machine only, with the secret of its address."""

    def __init__(self, command: Sequence[str], port: int, title: str) -> None:
        super().__init__(shlex.join(command), host=HOST, port=port, title=title)
        self.secret = secrets.token_urlsafe(16)

    @property
    def address(self) -> str:
        """What opens the screen in a browser."""
        return f"{self.public_url}/?token={self.secret}"

    def serve(self, debug: bool = False) -> None:
        """Serves until Ctrl+C. OSError where the port cannot be had; once it is had the address is told."""
        # `Server.serve` tells an address before it has it, and logs to stdout.
        web.run_app(
            self._make_app(), host=self.host, port=self.port, access_log=None, print=self._told,
            shutdown_timeout=PATIENCE,
        )  # fmt: skip

    async def on_startup(self, app: web.Application) -> None:
        """Nothing: the banner is for another program."""

    def _told(self, *_: object) -> None:
        click.echo(self.address)
        click.echo("backstep: open it in a browser on this machine; Ctrl+C ends it", err=True)
        sys.stdout.flush()

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page, to who has the secret; it gets nothing from elsewhere, no font either."""
        self._let_in(request, request.query.get("token", ""))
        response = await super().handle_index(request)
        assert isinstance(response, web.Response)
        response.text = FOREIGN.sub("", response.text or "").replace("</head>", f"{FOCUS}</head>", 1)
        response.set_cookie(self._cookie, self.secret, httponly=True, samesite="Strict")
        own = f"'self' {self.public_url.replace('http', 'ws', 1)}"
        response.headers["Content-Security-Policy"] = (
            f"default-src {own} data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
            "frame-ancestors 'none'"
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A screen, to a page of this server: another site's could open a socket here too."""
        if request.headers.get("Origin") != self.public_url:
            raise web.HTTPForbidden(text="not a page of this server\n")
        self._let_in(request)
        return await super().handle_websocket(request)

    async def handle_download(self, request: web.Request) -> web.StreamResponse:
        self._let_in(request)
        return await super().handle_download(request)

    @property
    def _cookie(self) -> str:
        # Cookies are shared by all ports of a host.
        return f"backstep-{self.port}"

    def _let_in(self, request: web.Request, brought: str = "") -> None:
        if request.host != f"{HOST}:{self.port}":
            raise web.HTTPForbidden(text="this server has no other name\n")
        for one in (brought, request.cookies.get(self._cookie, "")):
            if secrets.compare_digest(one.encode(), self.secret.encode()):
                return
        raise web.HTTPForbidden(text="open the address that backstep serve printed, with its token\n")


def serve(trace: str, position: int | None, look: Sequence[str], port: int) -> None:
    """Serves a trace, opened at a position. `look`: options of `backstep open`."""
    start = [] if position is None else ["--at", str(position)]
    # A browser knows all characters, whatever the locale of this process is.
    command = ["env", "PYTHONUTF8=1", "LC_ALL=C.UTF-8", sys.executable, "-P", "-m", "backstep", "open", *start, *look]
    ScreenServer([*command, "--", trace], port, f"{trace} - backstep").serve()
