"""How one notebook is run: in a fork of a process that has everything loaded, or in a kernel of its own."""
