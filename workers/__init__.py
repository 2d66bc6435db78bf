"""The two processes: episode worker and memory curator."""
