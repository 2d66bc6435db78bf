"""What the rows of a run say: figures, intervals, what memory caused and what it cost."""
