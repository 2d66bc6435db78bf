"""How a traveller's mind is made up: habits by what is believed of them, and where nothing is, by a draw for this trip."""

from dataclasses import dataclass

from experiments.stand_in.chance import draw
from experiments.stand_in.skills import Skill
from experiments.stand_in.travel.beliefs import Beliefs
from experiments.stand_in.travel.habits import HABITS


@dataclass(frozen=True)
class Mind:
    """One trip's; `key` (model, seed and trip) is what sets two travellers apart."""

    beliefs: Beliefs
    skill: Skill
    key: str

    def has(self, habit: str) -> bool:
        """Whether this trip is planned by a habit."""
        weight = self.beliefs.weights[habit]
        if weight == 0:
            return draw(self.key, "habit", habit) < HABITS[habit].share
        return weight > 0 and draw(self.key, "overlooks", habit) >= self.skill.overlooks
