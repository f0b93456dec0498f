"""Sequential statistics on integer counts: e-values, confidence sequences, sizes, error budget.

Nothing here knows what is counted.
"""
