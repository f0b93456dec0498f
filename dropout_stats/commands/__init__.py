"""The commands that have more than a few options, one file each."""
