"""`memp experiment`: a table or figure of the paper as a grid of runs, each of which is an ordinary run."""
