"""`pyfai_oracle` lies beside the tests and is shared with a benchmark: make it importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
