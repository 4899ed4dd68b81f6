"""The reference of `cold_start`: the smallest Sanic that answers, started the way the backend is."""

from __future__ import annotations

import sys

from sanic import HTTPResponse, Request, Sanic, text

app = Sanic("hello", configure_logging=False)


@app.get("/health")
async def hello(_request: Request) -> HTTPResponse:
    """One word."""
    return text("hello")


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, access_log=False, motd=False)
