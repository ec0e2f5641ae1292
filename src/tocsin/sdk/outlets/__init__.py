"""Where the rows and the state of a monitor go: one file for each kind of place."""
