"""Writes the vectors that tests/it/uncertainty compares with: the same rows, through independent implementations.

    pip install -r tests/vectors/uncertainty/requirements.txt
    python tests/vectors/uncertainty/make_vectors.py

The same pinned versions write the same bytes. Every "model" here returns numbers that were drawn beforehand, so that
nothing but the calibration is compared.
"""

import json
import pathlib

import numpy as np
from crepes import ConformalRegressor
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import APSConformityScore
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from netcal.scaling import TemperatureScaling
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import betabinom
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss
from venn_abers import VennAbers

HERE = pathlib.Path(__file__).parent
LEVELS = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99]
CALIBRATION_ROWS, ROWS = 150, 25
SEED = 20261121


class Value(RegressorMixin, BaseEstimator):
    """Predicts one of its columns."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return X[:, self.column]


class Probabilities(ClassifierMixin, BaseEstimator):
    """Predicts its columns, which are probabilities."""

    def __init__(self, classes=2):
        self.classes = classes
        self.classes_ = np.arange(classes)
        self.n_features_in_ = classes

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)


def finite(rows):
    """Intervals as lists; null where an end is infinite."""
    return [[float(low), float(high)] if np.isfinite([low, high]).all() else None for low, high in rows]


def regression():
    rng = np.random.default_rng(SEED)
    count = CALIBRATION_ROWS + ROWS
    x = rng.uniform(-2, 2, count)
    sigma = 0.3 + np.abs(x)
    target = np.sin(2 * x) * 3 + sigma * rng.standard_normal(count)
    value = np.sin(2 * x) * 3 + 0.2
    lower, upper = value - 1.3 * sigma, value + 1.6 * sigma
    group = rng.integers(0, 3, count)
    columns = np.column_stack([value, lower, upper])
    cal, new = slice(0, CALIBRATION_ROWS), slice(CALIBRATION_ROWS, None)

    plain = SplitConformalRegressor(Value().fit(columns), confidence_level=LEVELS, prefit=True)
    plain.conformalize(columns[cal], target[cal])
    _, split = plain.predict_interval(columns[new])
    split = [finite(split[:, :, index]) for index in range(len(LEVELS))]

    cqr = []
    for level in LEVELS:
        models = [Value(1).fit(columns), Value(2).fit(columns), Value(0).fit(columns)]
        model = ConformalizedQuantileRegressor(models, confidence_level=level, prefit=True)
        model.conformalize(columns[cal], target[cal])
        # The symmetric correction is the published one: one quantile for both ends.
        _, found = model.predict_interval(columns[new], symmetric_correction=True)
        cqr.append(finite(found[:, :, 0]))

    residual = target[cal] - value[cal]
    normalized = ConformalRegressor().fit(residual, sigmas=sigma[cal])
    mondrian = ConformalRegressor().fit(residual, bins=group[cal])
    both = ConformalRegressor().fit(residual, sigmas=sigma[cal], bins=group[cal])
    crepes_split = ConformalRegressor().fit(residual)

    def at(model, **beside):
        # crepes counts ranks in doubles: a hair below the level, its ranks are those of whole numbers.
        return [finite(model.predict_int(value[new], confidence=level - 1e-9, **beside)) for level in LEVELS]

    return {
        "versions": "MAPIE 1.6.0 (split, cqr), crepes 0.9.1 (split_crepes, normalized, mondrian)",
        "levels": LEVELS,
        "calibration": columns_of(cal, value=value, sigma=sigma, lower=lower, upper=upper, target=target, group=group),
        "rows": columns_of(new, value=value, sigma=sigma, lower=lower, upper=upper, group=group),
        "split": split,
        "split_crepes": at(crepes_split),
        "cqr": cqr,
        "normalized": at(normalized, sigmas=sigma[new]),
        "mondrian": at(mondrian, bins=group[new]),
        "mondrian_normalized": at(both, sigmas=sigma[new], bins=group[new]),
    }


def columns_of(part, **columns):
    return {name: values[part].tolist() for name, values in columns.items()}


def classes(count, sharpness, seed):
    """Logits that are too sure, and labels drawn from milder ones."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((CALIBRATION_ROWS + ROWS, count)) * 2
    truth = softmax(logits, axis=1)
    labels = np.array([rng.choice(count, p=p) for p in truth])
    return logits * sharpness, labels


def classification():
    logits, labels = classes(4, 1.8, SEED + 1)
    probabilities = softmax(logits, axis=1)
    cal, new = slice(0, CALIBRATION_ROWS), slice(CALIBRATION_ROWS, None)

    def sets(score, seed=None, **parameters):
        model = SplitConformalClassifier(
            Probabilities(4), confidence_level=LEVELS, conformity_score=score, prefit=True, random_state=seed
        )
        model.conformalize(probabilities[cal], labels[cal])
        _, found = model.predict_set(probabilities[new], conformity_score_params=parameters or None)
        return [[np.flatnonzero(row).tolist() for row in found[:, :, index]] for index in range(len(LEVELS))]

    seed = 7
    # MAPIE subtracts the part u of the class's own probability; candor adds the part 1 - u to what comes before it.
    draws = lambda rows: (1 - np.random.RandomState(seed).uniform(size=rows)).tolist()
    inverse = minimize_scalar(
        lambda beta: -log_softmax(beta * logits[cal], axis=1)[np.arange(CALIBRATION_ROWS), labels[cal]].mean(),
        bounds=(1e-3, 20), method="bounded", options={"xatol": 1e-12},
    ).x
    scaling = TemperatureScaling()
    scaling.fit(probabilities[cal], labels[cal])
    return {
        "versions": "MAPIE 1.6.0 (lac, aps), scipy 1.17.1 (temperature), netcal 1.4.0 (netcal), scikit-learn 1.9.1",
        "levels": LEVELS,
        "logits": logits[cal].tolist(),
        "labels": labels[cal].tolist(),
        "rows": probabilities[new].tolist(),
        "probabilities": probabilities[cal].tolist(),
        "lac": sets("lac"),
        "aps": sets(APSConformityScore(), seed, include_last_label="randomized"),
        "aps_draws": {"calibration": draws(CALIBRATION_ROWS), "rows": draws(ROWS)},
        "temperature": 1 / inverse,
        "ece": equal_mass_ece(probabilities[cal], labels[cal]),
        "netcal_probabilities": scaling.transform(probabilities[new]).tolist(),
        "log_loss": log_loss(labels[cal], probabilities[cal], labels=range(4)),
        "brier": brier_score_loss(labels[cal], probabilities[cal], labels=range(4)),
    }


def binary():
    logits, labels = classes(2, 2.5, SEED + 2)
    # Two decimals, so that there are ties.
    score = softmax(logits, axis=1)[:, 1].round(2).clip(0.01, 0.99)
    cal, new = slice(0, CALIBRATION_ROWS), slice(CALIBRATION_ROWS, None)
    asked = np.concatenate([score[new], [0.0, 0.005, 0.333, 0.5, 0.999, 1.0]])
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score[cal], labels[cal])
    both = lambda values: np.column_stack([1 - values, values])
    venn = VennAbers()
    venn.fit(both(score[cal]), labels[cal])
    merged, bounds = venn.predict_proba(both(asked))
    return {
        "versions": "scikit-learn 1.9.1 (isotonic, brier, log_loss), venn-abers 1.5.4",
        "scores": score[cal].tolist(),
        "labels": labels[cal].tolist(),
        "asked": asked.tolist(),
        "isotonic": isotonic.predict(asked).tolist(),
        "knots": {"scores": isotonic.X_thresholds_.tolist(), "probabilities": isotonic.y_thresholds_.tolist()},
        "venn_abers": bounds.tolist(),
        "venn_abers_merged": merged[:, 1].tolist(),
        "brier": brier_score_loss(labels[cal], score[cal]),
        "log_loss": log_loss(labels[cal], score[cal]),
    }


def equal_mass_ece(probabilities, labels, bins=15):
    """Expected calibration error over bins of equal mass, by numpy alone; the rows have no ties."""
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(top), bins)
    return float(sum(len(part) * abs(right[part].mean() - top[part].mean()) for part in parts) / len(labels))


def coverage():
    """The central 99 % of the beta-binomial law of covered rows, by scipy."""
    cases = []
    for rows in (5, 9, 50, 200, 2000):
        for level in LEVELS:
            rank = int(np.ceil(np.round((rows + 1) * level, 9)))
            for new in (20, 1000):
                if rank <= rows:
                    law = betabinom(new, rank, rows + 1 - rank)
                    cases.append([rows, level, new, int(law.ppf(0.005)), int(law.ppf(0.995))])
    return {"versions": "scipy 1.17.1", "cases": cases}


def main():
    for make in (regression, classification, binary, coverage):
        path = HERE / f"{make.__name__}.json"
        path.write_text(json.dumps(make(), indent=None) + "\n")
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
