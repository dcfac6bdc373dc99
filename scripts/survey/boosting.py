"""LightGBM and XGBoost, trained on scikit-learn's data and exported with onnxmltools."""

import lightgbm
import numpy as np
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from trained import Exporter, rows

OPSET = 15
TREES = {"n_estimators": 20, "n_jobs": 1, "random_state": 0}


def sources(say):
    return [lightgbm_models(say), xgboost_models(say)]


def data():
    flowers, tumours, diabetes = (load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_diabetes))
    names = np.array(["setosa", "versicolor", "virginica"])
    return {
        "three classes": flowers,
        "two classes": tumours,
        "text labels": (flowers[0], names[flowers[1]]),
        "labels 10, 20, 30": (flowers[0], 10 * (flowers[1] + 1)),
        "values": diabetes,
        "counts": (diabetes[0], diabetes[1].round()),
    }


def lightgbm_models(say):
    exporter = Exporter("LightGBM by onnxmltools", "lightgbm", "MIT", say)
    quiet = TREES | {"verbose": -1}
    classifiers = [
        ("LGBMClassifier", lightgbm.LGBMClassifier(**quiet), kind)
        for kind in ("two classes", "three classes", "text labels", "labels 10, 20, 30")
    ] + [
        (
            "LGBMClassifier, random forest",
            lightgbm.LGBMClassifier(boosting_type="rf", subsample=0.8, subsample_freq=1, **quiet),
            "three classes",
        ),
        ("LGBMClassifier, one versus all", lightgbm.LGBMClassifier(objective="multiclassova", **quiet), "three classes"),
    ]
    regressors = [
        (
            f"LGBMRegressor, {objective}",
            lightgbm.LGBMRegressor(objective=objective, **quiet),
            "values" if objective != "poisson" else "counts",
        )
        for objective in ("regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie", "mape")
    ]
    booster(exporter, classifiers, regressors, convert_lightgbm, {"zipmap": (True, False)})
    return exporter.source


def xgboost_models(say):
    exporter = Exporter("XGBoost by onnxmltools", "xgboost-cpu", "Apache-2.0", say)
    classifiers = [("XGBClassifier", xgboost.XGBClassifier(**TREES), kind) for kind in ("two classes", "three classes")]
    classifiers.append(("XGBRFClassifier", xgboost.XGBRFClassifier(**TREES), "three classes"))
    regressors = [
        (
            f"XGBRegressor, {objective}",
            xgboost.XGBRegressor(objective=f"{objective}", **TREES),
            "values" if "poisson" not in objective else "counts",
        )
        for objective in (
            "reg:squarederror",
            "reg:absoluteerror",
            "count:poisson",
            "reg:gamma",
            "reg:tweedie",
            "reg:pseudohubererror",
        )
    ]
    regressors.append(("XGBRFRegressor", xgboost.XGBRFRegressor(**TREES), "values"))
    booster(exporter, classifiers, regressors, convert_xgboost, {})
    return exporter.source


def booster(exporter, classifiers, regressors, convert, ways):
    tables = data()
    for name, model, kind in classifiers + regressors:
        x, y = tables[kind]
        x = x.astype(np.float32)
        classifier = "Classifier" in name
        for zipmap in ways.get("zipmap", (None,)) if classifier else (None,):

            def make(model=model, x=x, y=y, zipmap=zipmap):
                options = {} if zipmap is None else {"zipmap": zipmap}
                kinds = [("X", FloatTensorType([None, x.shape[1]]))]
                return convert(model.fit(x, y), initial_types=kinds, target_opset=OPSET, **options)

            shown = f"{name}, {kind}" if classifier else name
            exporter.add(f"{shown}{', ZipMap' if zipmap else ''}", make, rows(x), classifier)
