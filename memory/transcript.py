"""How an episode reads as text: the `trajectory` form of a procedure, and what the builder is shown."""

from runtime.events import Step, Trajectory


def render(first_observation: str, steps: tuple[Step, ...]) -> str:
    """Actions and observations in order, verbatim, thoughts left out (paper §4.2, condition "Trajectory")."""
    lines = [f"Observation: {first_observation.strip()}"]
    for step in steps:
        lines += [f"Action: {step.action}", f"Observation: {step.observation.strip()}"]
    return "\n".join(lines)


def outcome(trajectory: Trajectory, success: bool) -> str:
    """How the episode ended, in a line, and what the environment says of it; `success` is memory's own."""
    line = f"{'success' if success else 'failure'} (reward {trajectory.reward:g}) after {len(trajectory.steps)} steps"
    return f"{line}\n{trajectory.judgement.feedback}" if trajectory.judgement else line
