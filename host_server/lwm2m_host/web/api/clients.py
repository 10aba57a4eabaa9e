"""/api/clients and /api/objectspecs: registrations, and the routes to the operations."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from ... import Path, Server
from . import nodes, operations, query, reporting
from .call import Call, Operation
from .pieces import json_list

# Registrations of one answer, where the request does not say, and at most
PAGE = 1000
LARGEST_PAGE = 10_000

_OBSERVE = ("observe",)
_COMPOSITE = ("composite",)
_OBSERVE_COMPOSITE = ("composite", "observe")

# (method, last segments of the URL): the operation. The longest segments that fit decide.
_ROUTES: dict[tuple[str, tuple[str, ...]], Operation] = {
    ("GET", ()): operations.read,
    ("PUT", ()): operations.write,
    ("POST", ()): operations.post,
    ("DELETE", ()): operations.delete,
    ("GET", ("discover",)): operations.discover,
    ("PUT", ("attributes",)): operations.write_attributes,
    ("GET", _COMPOSITE): operations.read_composite,
    ("PUT", _COMPOSITE): operations.write_composite,
    ("POST", _OBSERVE): reporting.observe,
    ("DELETE", _OBSERVE): reporting.cancel,
    ("POST", _OBSERVE_COMPOSITE): reporting.observe_composite,
    ("DELETE", _OBSERVE_COMPOSITE): reporting.cancel_composite,
}
_ACTIONS = sorted({action for _, action in _ROUTES}, key=len, reverse=True)


async def list_clients(request: Request) -> StreamingResponse:
    """GET /api/clients[?limit=N][&after=EP]: registrations, ordered by endpoint, from behind EP.

    Where there are more, the header Link has the URL of the next page (RFC 8288).
    """
    server: Server = request.app.state.server
    limit = query.count(request, "limit", PAGE, LARGEST_PAGE)
    page = await server.registry.page(request.query_params.get("after", ""), limit + 1)
    headers = {}
    if len(page) > limit:
        page.pop()
        following = urlencode({"after": page[-1].endpoint, "limit": limit}, quote_via=quote)
        headers["Link"] = f'</api/clients?{following}>; rel="next"'
    return json_list(
        (
            {
                **nodes.registration(item),
                "observations": len(server.observations.of(item.endpoint)),
            }
            for item in page
        ),
        headers,
    )


async def object_specs(request: Request) -> StreamingResponse:
    """GET /api/objectspecs/EP"""
    server: Server = request.app.state.server
    device = server.device("/".join(query.segments(request, "/api/objectspecs/")))
    definitions = await device.definitions()
    models = (definitions.object_model(Path((oid,))) for oid in definitions.registration.objects)
    return json_list(nodes.definition(model) for model in models if model is not None)


async def client(request: Request) -> JSONResponse:
    """Everything below /api/clients/EP."""
    server: Server = request.app.state.server
    endpoint, *tail = query.segments(request, "/api/clients/")
    registration = await server.registration(endpoint)
    method = "GET" if request.method == "HEAD" else request.method
    if not tail and method == "GET":
        return JSONResponse(nodes.registration(registration))
    action = next(item for item in _ACTIONS if tuple(tail[len(tail) - len(item) :]) == item)
    operation = _ROUTES.get((method, action))
    if operation is None:
        return JSONResponse({"message": f"no {request.method} here"}, 405)
    device = server.device(endpoint)
    try:
        return await operation(
            Call(
                request,
                device,
                await device.definitions(),
                Path.parse("/".join(tail[: len(tail) - len(action)])),
                query.timeout_s(request),
                bool(query.flag(request, "force")),
            )
        )
    finally:
        request.app.state.bodies.give_back(request)
