"""Writes beta.json: beta calibration (Kull et al. 2017) with Platt's targets, by scipy's bounded L-BFGS.

Needs numpy and scipy, as models/requirements.txt pins them.
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

GRID = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]


def fit(scores, positive):
    """The weights of least log loss, with a and b of at least 0."""
    up, down = positive.sum(), (~positive).sum()
    targets = np.where(positive, (up + 1) / (up + 2), 1 / (down + 2))
    x = np.column_stack([np.log(scores), -np.log1p(-scores), np.ones_like(scores)])

    def loss(weights):
        z = x @ weights
        return np.sum(np.logaddexp(0, z) - targets * z), x.T @ (expit(z) - targets)

    bounds = [(0, None), (0, None), (None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 100_000}
    return minimize(loss, [1, 1, 0], jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def case(name, scores, positive):
    a, b, c = fit(scores, positive)
    grid = np.array(GRID)
    curve = expit(c + a * np.log(grid) - b * np.log1p(-grid))
    return {
        "name": name,
        "scores": scores.tolist(),
        "positive": positive.tolist(),
        "grid": GRID,
        "probabilities": curve.tolist(),
    }


def main():
    random = np.random.default_rng(12)
    scores = random.uniform(0.01, 0.99, 400).round(3)
    cases = [
        case("overconfident", scores, random.uniform(size=400) < expit(0.5 * np.log(scores / (1 - scores)))),
        case("shifted", scores, random.uniform(size=400) < expit(np.log(scores / (1 - scores)) - 1.5)),
        case("one-sided", scores, random.uniform(size=400) < scores**3),
        case("turned", scores, random.uniform(size=400) < 1 - scores),
    ]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (Path(__file__).parent / "beta.json").write_text(f"[{lines}]\n")


if __name__ == "__main__":
    main()
