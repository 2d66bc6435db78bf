"""Drivers of whole runs, their results and reports."""
