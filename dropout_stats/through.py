"""A target of noise that is no factor of its input, asked through a law with a factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, Indirect, is_indirect
from dropout_stats.laws.reading import Array
from dropout_stats.target import Output, Target


def through(law: AnyLaw, target: Target, conventions: Conventions) -> Target:
    """The target whose inputs and outputs are those of the law with a factor.

    Its evaluation passes, which have no noise, are left as they are.
    """
    if not is_indirect(law):
        return target
    asked = _Asked(law, target, conventions)
    return replace(
        target,
        train=asked.train,
        vjp=asked.vjp if target.vjp else None,
        apply=asked.apply if target.apply else None,
        peers=asked.peers if target.peers else None,
        steps=replace(target.steps, train=asked.train_at) if target.steps else None,
    )


class _Asked:
    """The passes of such a target."""

    def __init__(self, law: Indirect, target: Target, conventions: Conventions) -> None:
        self._law, self._target, self._conventions = law, target, conventions

    def train(self, x: Array, argument: float, **key: int) -> Any:
        handed = _Handed(self._law, x)
        answer = self._target.train(handed.array, argument, **key)
        handed.notice()
        return self._judged(handed.x, answer, argument)

    def train_at(self, x: Array, step: int, **key: int) -> Any:
        steps, handed = self._target.steps, _Handed(self._law, x)
        if steps is None:
            raise TypeError("the target follows no schedule")
        answer = steps.train(handed.array, step, **key)
        handed.notice()
        return self._judged(handed.x, answer, self._conventions.from_rate(steps.rates[step]))

    def vjp(self, x: Array, dy: Array, argument: float, **key: int) -> Any:
        handed = _Handed(self._law, x)
        answer = _given(self._target.vjp)(handed.array, dy, argument, **key)
        handed.notice()
        if not (isinstance(answer, tuple) and len(answer) == 2):
            return answer  # whoever called says what it should have been
        y, dx = map(np.asarray, answer)
        if y.shape != x.shape or dx.shape != x.shape:
            return answer
        rate = self._rate(argument)
        return (
            self._law.judge(handed.x, y, rate),
            self._law.judge_gradient(handed.x, y, dx, rate),
        )

    def apply(self, x: Array, noise: Array, argument: float) -> Any:
        answer = _given(self._target.apply)(self._law.hand(x), noise, argument)
        return self._judged(x, answer, argument)

    def peers(self, x: Array, argument: float, count: int, **key: int) -> Any:
        answer = _given(self._target.peers)(self._law.hand(x), argument, count, **key)
        if not hasattr(answer, "__array__") or np.shape(answer) != (count, *x.shape):
            return answer
        return np.stack([self._judged(x, one, argument) for one in np.asarray(answer)])

    def _rate(self, argument: float) -> float:
        return self._conventions.from_rate(float(argument))  # 1 - rate is its own inverse

    def _judged(self, x: Array, answer: Any, argument: float) -> Any:
        if isinstance(answer, Output):
            return answer._replace(y=self._judged(x, answer.y, argument))
        if isinstance(answer, tuple) and answer:  # whoever called takes its first item
            return (self._judged(x, answer[0], argument), *answer[1:])
        if not hasattr(answer, "__array__") or np.shape(answer) != x.shape:
            return answer
        return self._law.judge(x, np.asarray(answer), self._rate(argument))


class _Handed:
    """What a target gets in place of an input, which the caller watches, and what that was."""

    def __init__(self, law: Indirect, watched: Array) -> None:
        self.x, self._watched = watched.copy(), watched
        self.array = law.hand(watched)
        self._before = self.array.tobytes()

    def notice(self) -> None:
        """Write into the watched one where the target wrote into its own."""
        if self.array is not self._watched and self.array.tobytes() != self._before:
            self._watched[...] = self.array


def _given(function: Callable[..., Any] | None) -> Callable[..., Any]:
    if function is None:
        raise TypeError("the target has no such pass")
    return function
