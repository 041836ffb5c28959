"""`python -m modelgates`: the command line, for when the script is not on PATH."""

import sys

from modelgates.cli import main

sys.exit(main())
