"""Where the published programs do otherwise than we: a file for each editor that has one."""
