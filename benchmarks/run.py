"""Run all benchmarks one after the other; results go to bench-results/."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from time import perf_counter

SCRIPTS = (
    "startup",
    "plan",
    "floor",
    "cbf_pipeline",
    "eiger_pipeline",
    "robust",
    "sparsify",
    "goniometer",
    "calibration",
    "tomography",
    "xrdct",
    "memory",
    "cluster",
    "gpu",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that they work, measures little"
    )
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}")
    wanted = parser.parse_args()
    unknown = set(wanted.only) - set(SCRIPTS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SCRIPTS)}")
    failed = []
    begin = perf_counter()
    for name in wanted.only or SCRIPTS:
        print(f"######## {name}", flush=True)
        command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *["--quick"] * wanted.quick]
        if subprocess.run(command).returncode:
            failed.append(name)
    print(f"{perf_counter() - begin:.0f} s" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
