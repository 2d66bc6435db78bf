"""The stand-in's travelling half: it looks trips up, plans them, and writes down what records of trips show."""
