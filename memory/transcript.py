"""How an episode reads as text: the `trajectory` form of a procedure, and what the builder is shown."""

from runtime.events import Step


def render(first_observation: str, steps: tuple[Step, ...]) -> str:
    """Actions and observations in order, verbatim, thoughts left out (paper §4.2, condition "Trajectory")."""
    lines = [f"Observation: {first_observation.strip()}"]
    for step in steps:
        lines += [f"Action: {step.action}", f"Observation: {step.observation.strip()}"]
    return "\n".join(lines)


def outcome(success: bool, reward: float, steps: int) -> str:
    """One line that marks how the episode ended."""
    return f"{'success' if success else 'failure'} (reward {reward:g}) after {steps} steps"
