"""A function called in forked copies of this process, which cannot do it any harm."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

from dropout_stats.errors import TargetError

_CHUNK = 1 << 16
_DONE, _RAISED = b"+", b"-"


class _Worker(NamedTuple):
    pid: int
    answers: int  # file descriptor


def call_in_workers(function: Callable[[], bytes], workers: int, patience: float) -> list[bytes]:
    """Call a function once in each of several forked processes.

    Raises:
        TargetError: it raised TargetError in one of them.
        TimeoutError: one of them ended without an answer, or did not end in time.

    """
    deadline = time.monotonic() + patience
    started = [_start(function) for _ in range(workers)]
    try:
        return [_result(_read(worker, deadline)) for worker in started]
    finally:
        for worker in started:
            _end(worker)


def _start(function: Callable[[], bytes]) -> _Worker:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fork beside threads may hang: that is waited for
        pid = os.fork()
    if pid == 0:
        _work(function, writing)
    os.close(writing)
    return _Worker(pid, reading)


def _work(function: Callable[[], bytes], writing: int) -> None:
    """Answer and end: nothing of what the parent had still to do may happen here."""
    try:
        try:
            answer = _DONE + function()
        except TargetError as error:
            answer = _RAISED + pickle.dumps(error)
        while answer:
            answer = answer[os.write(writing, answer) :]
    finally:
        os._exit(0)


def _read(worker: _Worker, deadline: float) -> bytes:
    parts: list[bytes] = []
    while True:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([worker.answers], [], [], left)[0]:
            raise TimeoutError("a forked worker did not answer in time")
        part = os.read(worker.answers, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _result(answer: bytes) -> bytes:
    if answer[:1] == _RAISED:
        error: TargetError = pickle.loads(answer[1:])  # noqa: S301 - from our own child
        raise type(error)(f"in a forked worker, {error.call}", error.problem)
    if answer[:1] != _DONE:
        raise TimeoutError("a forked worker ended without an answer")
    return answer[1:]


def _end(worker: _Worker) -> None:
    os.close(worker.answers)
    os.kill(worker.pid, signal.SIGKILL)  # it has answered, or never will
    os.waitpid(worker.pid, 0)
