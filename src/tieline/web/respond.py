"""Answers: their values, and how they are sent."""

import asyncio
import gzip
import re
from collections.abc import AsyncGenerator, Sequence
from time import perf_counter

import msgspec

from tieline import problems
from tieline.problems import Problem
from tieline.web.asgi import Message, Send
from tieline.web.face import Face, face_of
from tieline.web.request import Headers, Request

JSON = "application/json; charset=utf-8"
# The most characters of a message, a hint or the path of a wrong field.
SAID_MAX = 5_000
# Higher levels take at least twice as long and save only a tenth of the bytes.
GZIP_LEVEL = 1
# A client may name gzip to refuse it.
GZIP_REFUSED = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE)
# Larger bodies are compressed in a thread, since they would hold up the event loop for too long.
GZIP_ON_LOOP_BYTES_MAX = 100_000


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: status, headers (names in lower case) and the body's bytes, or the first of them and a stream."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    stream: AsyncGenerator[bytes] | None = None


async def send(answer: Answer, request: Request, started: float, out: Send) -> None:
    """Send an answer; `started` is the request's start by perf_counter, for Server-Timing."""
    timings = "".join([f"{name};dur={seconds * 1000:.3f}, " for name, seconds in request.timings.items()])
    headers = [
        *answer.headers,
        *request.rate_headers,
        ("x-request-id", request.id),
        ("server-timing", f"{timings}total;dur={(perf_counter() - started) * 1000:.3f}"),
    ]
    if answer.stream is not None:
        await _send_stream(answer, answer.stream, request, headers, out)
        return
    is_head = request.method == "HEAD"
    body = b"" if is_head else answer.body
    if answer.status not in (204, 304) and not (is_head and not answer.body):
        headers.append(("content-length", str(len(answer.body))))
    if request.send_whole is None or not request.send_whole(answer.status, headers, body):
        await out(_start(answer.status, headers))
        await out({"type": "http.response.body", "body": body})


def _start(status: int, headers: Headers) -> Message:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": encoded}


async def _send_stream(
    answer: Answer, rest: AsyncGenerator[bytes], request: Request, headers: Headers, out: Send
) -> None:
    """Send piece by piece while the client reads. An error on the way cuts the answer off, so that it is noticed."""
    gone = asyncio.ensure_future(request.until_gone())
    try:
        await out(_start(answer.status, headers))
        if request.method != "HEAD":
            await out({"type": "http.response.body", "body": answer.body, "more_body": True})
            async for piece in rest:
                if gone.done():
                    return
                await out({"type": "http.response.body", "body": piece, "more_body": True})
        await out({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await rest.aclose()


async def compressed(answer: Answer, request: Request) -> Answer:
    """The answer, compressed if the client accepts gzip."""
    if answer.stream is not None:
        return answer
    headers = (*answer.headers, ("vary", "Accept-Encoding"))
    accepted = request.header(b"accept-encoding") or ""
    if "gzip" not in accepted or GZIP_REFUSED.search(accepted):
        return Answer(answer.status, headers, answer.body)
    if len(answer.body) <= GZIP_ON_LOOP_BYTES_MAX:
        body = gzip.compress(answer.body, GZIP_LEVEL)
    else:
        body = await asyncio.to_thread(gzip.compress, answer.body, GZIP_LEVEL)
    return Answer(answer.status, (*headers, ("content-encoding", "gzip")), body)


def refusal(problem: Problem, request: Request) -> Answer:
    """A problem in the form of the face that the request went to."""
    return rendered(problem, request.face, path=request.path, base_url=address(request), trace_id=request.id)


def rendered(problem: Problem, face: Face | None = None, *, path: str, trace_id: str, base_url: str = "") -> Answer:
    """A problem in the form of a face, or of the one that the path is on."""
    face = face or face_of(path)
    if face is Face.ELEMENT:
        body = _as_problem_json(problem, base_url=base_url, path=path, trace_id=trace_id)
        return Answer(problem.status, (("content-type", "application/problem+json"), *problem.headers), body)
    body = _as_service(problem) if face is Face.SERVICE else _as_postgrest(problem)
    return Answer(problem.status, (("content-type", JSON), *problem.headers), body)


def address(request: Request) -> str:
    """This service's address as the client knows it, for links to the pages of problems."""
    host = request.header(b"host") or ""
    return f"{request.scheme}://{host}" if re.fullmatch(r"[A-Za-z0-9.\-_:\[\]]{1,255}", host) else ""


def _shortened(text: str | None) -> str | None:
    """Words that repeat what was sent, or what the database says of it, cut to a length that an answer can carry."""
    return text if text is None or len(text) <= SAID_MAX else f"{text[:SAID_MAX]}..."


def _as_postgrest(problem: Problem) -> bytes:
    """The body on the mapping face: PostgREST's four members."""
    return msgspec.json.encode(_members(problem))


def _as_service(problem: Problem) -> bytes:
    """The body on the service's own endpoints: PostgREST's four members, then those in `extra`."""
    return msgspec.json.encode({**_members(problem), **problem.extra})


def _members(problem: Problem) -> dict[str, object]:
    message, hint = _shortened(problem.message), _shortened(problem.hint)
    return {"code": problem.code, "message": message, "details": problem.details, "hint": hint}


def _as_problem_json(problem: Problem, *, base_url: str, path: str, trace_id: str) -> bytes:
    """The body on the element face: RFC 9457's members, then our own."""
    body: dict[str, object] = {
        "type": f"{base_url}/docs/errors/{problem.slug}",
        "title": problems.TITLES[problem.slug],
        "status": problem.status,
        "detail": _shortened(problem.message),
        "instance": path,
        "traceId": trace_id,
    }
    if problem.errors:
        body["errors"] = [
            {"scope": e.scope, "path": _shortened(e.path), "code": e.code, "message": _shortened(e.message)}
            for e in problem.errors
        ]
    return msgspec.json.encode({**body, **problem.extra})
