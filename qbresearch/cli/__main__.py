"""``python -m qbresearch.cli``: the command where its script is not on the path."""

import sys

from qbresearch.cli.command import main

sys.exit(main())
