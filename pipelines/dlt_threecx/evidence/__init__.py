"""Evidence: the devices of a time with the proof behind them, for somebody who does not have this program."""
