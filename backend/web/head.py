"""HEAD wherever there is GET (RFC 9110, 9.1): the same headers without the body.

The library's own way adds these routes one by one to a router that is ready, and makes all
routes anew for each: at 250 routes, ten seconds of processor before the first answer.
"""

from __future__ import annotations

from sanic import Sanic


def setup(app: Sanic) -> None:
    """Add the routes when the server starts, all at once."""

    @app.before_server_start
    async def add(app: Sanic) -> None:
        with app.amend():
            for group in tuple(app.router.groups.values()):
                route = next((route for route in group if "GET" in route.methods), None)
                if route is None or "HEAD" in group.methods:
                    continue
                app.add_route(
                    route.handler,
                    group.uri,
                    methods=["HEAD"],
                    strict_slashes=group.strict,
                    name=f"{route.name}_head",
                    unquote=group.unquote,
                )
