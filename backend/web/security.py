"""Headers on every answer, and the check that an unsafe request comes from our own page.

No tokens: a browser says in ``Sec-Fetch-Site`` and ``Origin`` where a request was
born, and a page cannot forge either. Requests that carry a bearer id instead of a
cookie need no such check, since a foreign page has no id to send.
"""

from __future__ import annotations

from sanic import Request, Sanic
from sanic.response import BaseHTTPResponse

from backend.core.errors import Forbidden
from backend.core.house import House

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def setup(app: Sanic, house: House) -> None:
    """Register the middleware. ``request.ctx.framable`` lets a view be shown in a frame of the listed sites."""
    ancestors = " ".join(house.municipality.frame_ancestors)

    @app.on_request
    async def refuse_foreign_writes(request: Request) -> None:
        if request.method not in _SAFE and "authorization" not in request.headers:
            check_origin(request, house.settings.origin)

    async def harden(request: Request, response: BaseHTTPResponse) -> None:
        framable = getattr(request.ctx, "framable", False)
        frame = ancestors if framable else "'none'"
        headers = response.headers
        headers.setdefault(
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; "
            f"frame-src 'self'; frame-ancestors {frame}",
        )
        if not framable:
            headers.setdefault("x-frame-options", "DENY")
        headers.setdefault("cache-control", "no-store")
        # Nothing is told to other sites. Between our own pages it must be: with "no-referrer" a
        # browser hides the origin of a form too, and plain http has no other sign of it.
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("x-robots-tag", "noindex")
        headers.setdefault("permissions-policy", "camera=(), microphone=(), geolocation=()")
        headers.setdefault("cross-origin-opener-policy", "same-origin")
        if house.settings.https:
            headers.setdefault("strict-transport-security", "max-age=31536000")

    app.register_middleware(harden, "response")


def check_origin(request: Request, origin: str) -> None:
    """Raise `Forbidden` for a write that a browser says was born on another site.

    Old browsers and command-line clients send neither header; they carry no
    ambient login that could be abused, so they pass.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
        raise Forbidden
    sent = request.headers.get("origin")
    if sent is not None and sent not in (origin, f"{request.scheme}://{request.host}"):
        raise Forbidden


def source_of(request: Request, trusted_proxies: int) -> str:
    """The network address that guesses are counted against; never stored."""
    if trusted_proxies:
        forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
        if len(forwarded) >= trusted_proxies:
            return forwarded[-trusted_proxies]
    return request.ip
