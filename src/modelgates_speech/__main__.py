"""`python -m modelgates_speech`: the command line, for when the script is not on PATH."""

import sys

from modelgates_speech.cli import main

sys.exit(main())
