"""Wall time of `aureole --help` and `import aureole`, each in a new process, against `import pyFAI`."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import common
from common import Row


def launch(*arguments: str) -> int:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return 1


def main() -> None:
    wanted = common.arguments(__doc__).parse_args()
    rows = [
        Row("aureole --help", partial(launch, "-m", "aureole", "--help")),
        Row("import aureole", partial(launch, "-c", "import aureole")),
        Row("import numpy", partial(launch, "-c", "import numpy")),
        Row("import pyFAI", partial(launch, "-W", "ignore", "-c", "import pyFAI")),
        Row("python alone", partial(launch, "-c", "pass")),
    ]
    common.measure(rows, 3 if wanted.quick else max(wanted.repeats, 9))
    common.show_rows(rows, rate=False)
    for row in rows[:2]:
        verdict = "reached" if row.median < 300 else "NOT REACHED"
        print(f"{row.name}: {row.median / 1e3:.3f} s   wanted: 0.3, {verdict}")
    common.save("startup", {"rows": common.rows_json(rows)})


if __name__ == "__main__":
    main()
