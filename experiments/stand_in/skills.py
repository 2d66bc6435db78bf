"""How well a stand-in plays, by model name."""

from typing import NamedTuple


class Skill(NamedTuple):
    """Shares are of the occasions on which the lapse could happen."""

    forgets_to_open: float
    """Share of closed receptacles that it passes by."""
    drops_thread: float
    """Share of turns spent looking about."""
    malformed: float
    """Share of answers without an action."""
    records: int | None
    """Records that it reads beside its task, from the first; None is all."""
    overlooks: float
    """Share of the habits of travelling that it lacks although its prompt speaks for them."""


STRONG = Skill(forgets_to_open=0.0, drops_thread=0.0, malformed=0.0, records=None, overlooks=0.0)
WEAK = Skill(forgets_to_open=0.4, drops_thread=0.12, malformed=0.05, records=1, overlooks=0.05)
MODELS = {"stand-in": STRONG, "stand-in-strong": STRONG, "stand-in-weak": WEAK}
