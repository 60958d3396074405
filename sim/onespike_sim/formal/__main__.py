"""Run the proofs: ``python -m onespike_sim.formal [NAME ...]``."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from onespike.cli import guarded, write_report
from onespike.errors import MismatchError

from .proofs import PROOFS
from .solve import ROOT, design, merged, solve, versions

JOBS = 2
"""Solvers at a time."""


def check(proofs, report):
    """Check ``proofs``; calls ``report(row)`` for each check in their order; returns all rows, dictionaries."""
    rows = []
    with ThreadPoolExecutor(JOBS) as pool:
        # Designs are made one after the other, here: Amaranth is not meant for threads.
        running = [
            (
                proof,
                mode,
                depth,
                [pool.submit(solve, proof.name, design(make()), mode, depth, engine) for make in makers],
            )
            for proof in proofs
            for mode, depth, engine, makers in proof.checks
        ]
        try:
            for proof, mode, depth, parts in running:
                verdict = merged([part.result() for part in parts])
                rows.append({"name": proof.name, "what": proof.what, "mode": mode, "depth": depth, **vars(verdict)})
                report(rows[-1])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def run(args):
    """All proofs, or those named."""
    start = time.perf_counter()
    tools = versions()
    print(f"{'unit':<14}{'properties':<34}{'mode':<7}{'depth':>5}  {'result':<8}{'seconds':>7}", flush=True)

    def tell(row):
        result = "passed" if row["passed"] else "FAILED"
        head = f"{row['name']:<14}{row['what']:<34}{row['mode']:<7}{row['depth'] or '':>5}"
        print(f"{head}  {result:<8}{row['seconds']:>7.1f}", flush=True)

    rows = check([PROOFS[name] for name in args.names or PROOFS], tell)
    failed = [row for row in rows if not row["passed"]]
    seconds = round(time.perf_counter() - start, 1)
    print(f"{len(rows) - len(failed)} of {len(rows)} checks passed in {seconds:.0f} s")
    print(f"wrote {write_report('formal', {'tools': tools, 'seconds': seconds, 'checks': rows})}")
    if failed:
        first = failed[0]
        where = first["trace"] or ROOT
        raise MismatchError(f"{first['name']}: {first['mode']} failed {first['why']}; see {where}")


def _named(name):
    """The argument of a proof."""
    if name not in PROOFS:
        raise argparse.ArgumentTypeError(f"no proof {name!r}; choose of {', '.join(PROOFS)}")
    return name


def main(argv=None):
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="onespike_sim.formal", description="Properties of the gateware, proven.")
    parser.add_argument("names", nargs="*", type=_named, metavar="NAME", help=f"of {', '.join(PROOFS)}")
    args = parser.parse_args(argv)
    return guarded(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
