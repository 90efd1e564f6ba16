"""From a geometry to the first pattern: making a plan and using it once, against pyFAI's first call.

Both sides start from a PONI file and a frame in memory, and end with the frame's pattern. pyFAI gets a new
integrator each time. Of its methods three make a table; a histogram makes none and costs the same every time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

import common
import ours
import peers
from aureole.simulate import Exposure, Powder, write_scan
from common import Row

METHODS = ("csr", "csc", "lut", "histogram")


def first_of_theirs(poni: Path, image: np.ndarray, method: peers.Method) -> int:
    peers.integrate(peers.integrator(poni), image, method)
    return 1


def first_of_ours(poni: Path, image: np.ndarray, split: str) -> int:
    plan = ours.spec(poni, split).plan()
    _ = plan.integrate(image).intensity
    return 1


def compare(split: str, poni: Path, image: np.ndarray, repeats: int) -> dict[str, object]:
    print(f"\n== {split}")
    theirs = [
        Row(f"pyFAI {algorithm} cython", partial(first_of_theirs, poni, image, (split, algorithm, "cython")))
        for algorithm in METHODS
    ]
    mine = Row("Aureole", partial(first_of_ours, poni, image, split))
    plan_only = Row("Aureole, the plan alone", lambda: len([ours.spec(poni, split).plan()]))
    rows = [*theirs, mine, plan_only]
    common.measure(rows, repeats)
    common.show_rows(rows, rate=False)
    table = common.best_of(theirs[:3])
    ratios = {row.name: common.ratio(row, mine) for row in theirs}
    common.show_ratio(f"against the fastest that makes a table ({table.name})", ratios[table.name], 3)
    common.show_ratio(f"against {theirs[-1].name}", ratios[theirs[-1].name], 3)
    return {"split": split, "rows": common.rows_json(rows), "ratios": ratios, "best_peer": table.name}


def main() -> None:
    wanted = common.arguments(__doc__).parse_args()
    repeats = 2 if wanted.quick else wanted.repeats
    with common.scratch() as work:
        poni = write_scan(work, 1).poni
        image = Exposure(Powder()).frame(0, 0.0)
        sets = [compare(split, poni, image, repeats) for split in ("bbox", "full")]
    common.save("plan", {"sets": sets})


if __name__ == "__main__":
    main()
