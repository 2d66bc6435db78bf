"""Two arms that chance made, and the difference between them: shares by Newcombe's hybrid score interval, means by bootstrap.

Unlike in `stats.paired_interval` no task is in both arms, so each arm varies by itself.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from experiments.analysis.stats import drawn_means, share_interval

_FEWEST = 10
_SAMPLES = 2_000


class Contrast(BaseModel):
    """Mean of either arm, and treated minus control with its 95 % interval.

    The mean of an empty arm is None, and the difference with it; so are the bounds where they can't be told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    treated: float | None
    treated_n: int
    control: float | None
    control_n: int
    difference: float | None
    low: float | None
    high: float | None

    @property
    def harmful(self) -> bool:
        """Whether the whole interval lies below nothing."""
        return self.high is not None and self.high < 0

    @property
    def helpful(self) -> bool:
        """Whether the whole interval lies above nothing."""
        return self.low is not None and self.low > 0


def contrast_shares(treated: Sequence[bool], control: Sequence[bool]) -> Contrast:
    """Difference of two independent shares; the bounds are Newcombe's (1998, method 10), of the two Wilson intervals."""
    if not treated or not control:
        return _contrast(treated, control)
    one, other = (share_interval(sum(arm), len(arm)) for arm in (treated, control))
    difference = one.mean - other.mean
    low = difference - float(np.hypot(one.mean - one.low, other.high - other.mean))
    high = difference + float(np.hypot(one.high - one.mean, other.mean - other.low))
    return _contrast(treated, control, low, high)


def contrast_means(treated: Sequence[float], control: Sequence[float], *, seed: int = 0) -> Contrast:
    """Difference of two independent means; the bounds are percentiles of a bootstrap that draws either arm anew, and need ten of each:
    of fewer it would be too sure.

    The same arguments give the same bounds.
    """
    if min(len(treated), len(control)) < _FEWEST:
        return _contrast(treated, control)
    rng = np.random.default_rng(seed)
    drawn = [drawn_means(np.array(arm, dtype=np.float64), _SAMPLES, rng) for arm in (treated, control)]
    low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5))
    return _contrast(treated, control, float(low), float(high))


def _contrast(treated: Sequence[float], control: Sequence[float], low: float | None = None, high: float | None = None) -> Contrast:
    one, other = (float(np.mean(arm)) if arm else None for arm in (treated, control))
    return Contrast(
        treated=one,
        treated_n=len(treated),
        control=other,
        control_n=len(control),
        difference=None if one is None or other is None else one - other,
        low=low,
        high=high,
    )
