"""`memp`: the command line. Each group of commands is one module; none of them holds logic."""

import sys

import typer

from bin import dead, drain, experiment, generated, inspect, migrate, processes, run, travelplanner, warm
from bin.options import guarded


def _with_dashes(token: str) -> str:
    """The reference's flags have underscores: `--max_steps` is `--max-steps`."""
    return token.replace("_", "-")


app = typer.Typer(
    name="memp",
    help="Procedural memory for LLM agents: learn, retrieve and revise procedures while working.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": _with_dashes, "help_option_names": ["-h", "--help"]},
)

for module in (run, experiment, processes, inspect, dead, migrate, generated, warm, drain, travelplanner):
    module.add_to(app)


def main() -> None:
    """Entry point; exits with 0, 1 (failure), 2 (usage) or 130 (interrupted)."""
    sys.exit(guarded(app))


if __name__ == "__main__":
    main()
