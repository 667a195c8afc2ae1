"""Faults of the bytes: too few, too many, too slow, or no text."""

from collections.abc import Iterator
from itertools import chain, repeat
from threading import Event

from dlt_threecx.simulator.faults.fault import Visit, fault
from dlt_threecx.simulator.messages import Response, json_response

__all__: list[str] = []

_DRIP_SECONDS = 0.05
_NESTED_ARRAYS = 100_000
_HUGE_MEGABYTES = 400
_NEVER_REACHED = 1 << 40


@fault()
def json_cut(visit: Visit) -> Response:
    """The JSON ends in the middle, and Content-Length fits what came."""
    honest = visit.honest()
    return honest._replace(body=_half(honest))


@fault()
def body_cut(visit: Visit) -> Response:
    """The connection is closed in the middle of the body."""
    honest = visit.honest()
    return honest._replace(body=_half(honest), declared_length=len(honest.body), ending="close")


@fault()
def reset(visit: Visit) -> Response:
    """The connection is reset in the middle of the body."""
    honest = visit.honest()
    return honest._replace(body=_half(honest), declared_length=len(honest.body), ending="reset")


@fault()
def stall(visit: Visit) -> Response:
    """The headers come, then nothing more."""

    def nothing(stopped: Event) -> Iterator[bytes]:
        stopped.wait()
        yield b""

    honest = visit.honest()
    return honest._replace(stream=nothing, declared_length=len(honest.body), ending="close")


@fault()
def drip(visit: Visit) -> Response:
    """A byte now and then, for ever."""
    honest = visit.honest()

    def drops(stopped: Event) -> Iterator[bytes]:
        for drop in chain(honest.body[:-1], repeat(ord(" "))):
            yield bytes((drop,))
            if stopped.wait(_DRIP_SECONDS):
                return

    return honest._replace(stream=drops, declared_length=_NEVER_REACHED, ending="close")


@fault()
def huge_body(visit: Visit) -> Response:
    """A body of 400 MB, in chunks that nobody announced."""

    def flood(stopped: Event) -> Iterator[bytes]:
        yield b'{"@odata.count":1,"value":[{"Id":1,"Note":"'
        for megabyte in repeat(b"x" * (1 << 20), _HUGE_MEGABYTES):
            if stopped.is_set():
                return
            yield megabyte
        yield b'"}]}'

    return json_response(b"")._replace(stream=flood)


@fault()
def deep_nesting(visit: Visit) -> Response:
    """`value` is 100,000 arrays, one in the other."""
    return json_response(b'{"value":' + b"[" * _NESTED_ARRAYS + b"]" * _NESTED_ARRAYS + b"}")


@fault()
def not_utf8(visit: Visit) -> Response:
    """A normal page with a Latin-1 letter in it."""
    honest = visit.honest()
    return honest._replace(body=b'{"@note":"caf\xe9",' + honest.body[1:])


def _half(response: Response) -> bytes:
    return response.body[: len(response.body) // 2]
