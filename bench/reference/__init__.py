"""Where the method's reference implementation is known to go wrong, and whether memp does better: both measured side by side.

    uv run python -m bench.reference [--json] [--out FILE]

What is measured on the left is a clean-room model of the reference's algorithm, written from a list of ten known defects and from
the paper; it holds no line of the reference. Where it can be kind it is: prompts, embeddings, environments and HTTP are ours.
On the right is memp itself, with its streams, curator, memory and server. Both are given the same and measured by the same rule.
"""
