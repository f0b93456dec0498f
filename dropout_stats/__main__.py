"""`python -m dropout_stats` is `dropout-stats`."""

from dropout_stats.cli import main

main()
