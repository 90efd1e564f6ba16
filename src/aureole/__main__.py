"""``python -m aureole`` is the command ``aureole``."""

import sys

from aureole.cli import main

if __name__ == "__main__":
    sys.exit(main())
