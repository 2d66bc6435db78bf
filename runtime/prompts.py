"""The agent's prompts; the environment's rules and memory's guidance are put in, nothing here knows either."""

SYSTEM = """\
You carry out a task in an environment, one action at a time, and learn from what each action brings about.

{rules}

Answer every observation with two lines and nothing else:
Thought: what you know so far and what you mean to find out or do next
Action: one action, in the environment's own wording
"""

OBSERVATION = "Observation: {observation}"

REPAIR = """\
That answer held no action. Answer again with two lines and nothing else:
Thought: your reasoning
Action: one action, in the environment's own wording"""

NOTHING = "Nothing happens."
