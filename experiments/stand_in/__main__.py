"""`python -m experiments.stand_in`: one flag per option; prints one line of JSON with the address when ready."""

import argparse
import sys
from dataclasses import fields

from experiments.stand_in.options import Options
from experiments.stand_in.server import run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.stand_in", description=__doc__)
    for option in fields(Options):
        kind = str if option.default is None else type(option.default)
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=kind, default=option.default)
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input, a pipe, closes")
    return parser


def main() -> int:
    """Serve; the exit code is 2 where the options can't be used."""
    flags = vars(_parser().parse_args())
    exit_with_parent: bool = flags.pop("exit_with_parent")
    try:
        run(Options(**flags), exit_with_parent=exit_with_parent)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
