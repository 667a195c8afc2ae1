"""`python -m dlt_threecx` is the command `threecx`."""

from dlt_threecx.cli import main

main()
