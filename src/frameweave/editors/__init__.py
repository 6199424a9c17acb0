"""The editors: one file is one algorithm, one subcommand, one page of documentation."""
