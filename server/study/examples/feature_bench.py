"""Times MMD² and linear CKA of two sets of features with scikit-learn and NumPy and compares with ours.

    cargo run -p transferscope-study --example feature_bench -- 4000 384 5 > ours.json
    python feature_bench.py ours.json

The features are those of feature_bench.rs, number for number, and the values must agree, else the comparison would
mean nothing. Prints JSON. Needs numpy and scikit-learn; a ratio above 1 means that ours takes longer.
"""

import json
import sys
import time

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel


def uniform(stream, count):
    """Numbers between -0.5 and 0.5 (SplitMix64)."""
    z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(stream << 40)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53 - 0.5


def features(rows, width):
    size = 4.0 / (1.0 + np.arange(width) / 16.0)
    before, noise = (uniform(stream, rows * width).reshape(rows, width) * size for stream in (0, 1))
    return before, 0.8 * before + 0.6 * noise + 0.05


def bandwidth(x, y):
    distances = euclidean_distances(np.concatenate([x, y]))
    return np.median(distances[np.triu_indices(len(distances), 1)])


def mmd2(x, y, sigma):
    gamma = 1.0 / (2.0 * sigma**2)
    n, m = len(x), len(y)
    xx, yy, xy = rbf_kernel(x, gamma=gamma), rbf_kernel(y, gamma=gamma), rbf_kernel(x, y, gamma=gamma)
    return (xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()


def cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def timed(repetitions, of, *arguments):
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        value = of(*arguments)
        best = min(best, time.perf_counter() - start)
    return best, float(value)


def main():
    with open(sys.argv[1]) as file:
        ours = json.load(file)
    before, after = features(ours["rows"], ours["width"])
    theirs = {}
    theirs["bandwidth_s"], theirs["sigma"] = timed(ours["repetitions"], bandwidth, after, before)
    theirs["mmd2_s"], theirs["mmd2"] = timed(ours["repetitions"], mmd2, after, before, theirs["sigma"])
    theirs["cka_s"], theirs["cka"] = timed(ours["repetitions"], cka, after, before)
    for name, tolerance in [("sigma", 1e-7), ("mmd2", 1e-6), ("cka", 1e-9)]:
        if abs(ours[name] - theirs[name]) > tolerance * abs(theirs[name]):
            sys.exit(f"{name}: {ours[name]} and {theirs[name]} do not agree")
    ratios = {name: ours[name] / theirs[name] for name in ("bandwidth_s", "mmd2_s", "cka_s")}
    both = [sum(v[name] for name in ("bandwidth_s", "mmd2_s")) for v in (ours, theirs)]
    ratios["bandwidth_and_mmd2"] = both[0] / both[1]
    print(json.dumps({"ours": ours, "theirs": theirs, "ours_by_theirs": ratios}, indent=2))


if __name__ == "__main__":
    main()
