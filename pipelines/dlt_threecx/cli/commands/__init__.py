"""One file for each command of `threecx`."""
