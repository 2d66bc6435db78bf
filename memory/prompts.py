"""The prompts of procedural memory: building a script, extracting facts, adjusting what misled.

They speak of the environment through its own description and hold no example of a task. Their parts stand in
tags, so that a reader (a model, a person, the stand-in) can tell the material from the request.
"""

SCRIPT_FORM = """\
When to use: the kind of task this serves, in one sentence
Preconditions: what must hold or be known at the start
Steps:
1. one numbered step per line, in the order of doing
Pitfalls: what cost effort or failed, and what to do instead"""

BUILD = (
    """\
Below is the record of one episode in an environment. Write down the procedure that it shows, so that an agent that
meets a task like it can do it at once and with fewer actions.

Keep what carries over: where the things that mattered were found, by kind of place; which thing does what; the
wording of the actions that worked; the order in which the parts had to be done. Say kinds of things rather than
numbered ones where the number does not matter. Leave out steps that turned out to be needless. Claim nothing that
the record does not show.

<environment>
{environment}
</environment>
<task>
{task}
</task>
<outcome>
{outcome}
</outcome>
<trajectory>
{trajectory}
</trajectory>

Answer in this form and with nothing else:
"""
    + SCRIPT_FORM
)

ADJUST = (
    """\
An agent was given the procedure below for a task, followed it as it understood it, and failed. Find out where the
procedure misled it or left it without help, and write a corrected procedure that keeps what is right, mends or drops
what is wrong, and warns of what went wrong. It must still serve the task that it was made for. Claim nothing that
neither the procedure nor the record supports.

<environment>
{environment}
</environment>
<procedure>
{procedure}
</procedure>
<task>
{task}
</task>
<outcome>
{outcome}
</outcome>
<trajectory>
{trajectory}
</trajectory>

Answer with the whole corrected procedure, in this form and with nothing else:
"""
    + SCRIPT_FORM
)

FACTS = """\
Below is a task that an agent was given in an environment. Extract the few facts by which one would recognise a
similar task: things, places, kinds of operation, amounts, constraints. Take them from the task's own words.

<environment>
{environment}
</environment>
<task>
{task}
</task>

Answer with one JSON object and nothing else: short lower-case names of facts, each with its value as a string.
Use the same name for the same kind of fact whatever the task."""

GUIDANCE = """\
Procedures from earlier episodes are shown below; their places and numbers may differ from yours. Use what fits.

{procedures}

Here is your task.
"""
