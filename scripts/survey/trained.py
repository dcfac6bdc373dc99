"""Estimators of scikit-learn, trained on its bundled data and exported with skl2onnx."""

import hashlib
import warnings
from importlib.metadata import version

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from cases import Case, Source, folder
from estimators import CLASSIFIERS, OTHERS, REGRESSORS, SHIFTED, UNSUPERVISED
from tables import CATEGORIES, SENTENCES, TABLE

# An operator set that all converters of skl2onnx 1.20 support.
OPSET = {"": 21, "ai.onnx.ml": 3}
ROWS = 8


def rows(x):
    """Inputs for a model with one matrix: rows spread over the table."""
    return [{"X": x[at : at + 1]} for at in np.linspace(0, len(x) - 1, ROWS).astype(int)]


class Exporter:
    """Trains and exports estimators; one that cannot be exported is recorded with the reason."""

    def __init__(self, name, package, licence, say):
        self.source = Source(name, package, version(package), licence)
        self.say = say

    def add(self, name, make, feeds, classifier=False):
        self.say(f"{self.source.name}: {name}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = make()
        except Exception as error:
            self.source.left_out.append((name, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"))
            return
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        short = "".join(letter if letter.isalnum() else "-" for letter in name)[:40]
        path = folder(self.source.package) / f"{short}-{digest}.onnx"
        path.write_bytes(model.SerializeToString())
        self.source.cases.append(Case(self.source.name, name, path, feeds, classifier))


def sources(say):
    exporter = Exporter("scikit-learn by skl2onnx", "scikit-learn", "BSD-3-Clause", say)
    flowers = load_iris(return_X_y=True)
    tumours = load_breast_cancer(return_X_y=True)
    diabetes = load_diabetes(return_X_y=True)
    for name, estimator in CLASSIFIERS.items():
        x, y = flowers if name not in SHIFTED else (flowers[0] + 0.5, flowers[1])
        add_matrix(exporter, name, estimator, x, y)
    for name, estimator in REGRESSORS.items():
        target = diabetes[1] if not name.startswith("MultiTask") else np.stack([diabetes[1], diabetes[1] ** 0.5], axis=1)
        add_matrix(exporter, name, estimator, diabetes[0], target)
    for name, estimator in UNSUPERVISED.items():
        add_matrix(exporter, name, estimator, flowers[0], None if "LDA" not in name else flowers[1])
    for name, (estimator, x, y) in OTHERS.items():
        add_matrix(exporter, name, estimator, np.asarray(x), y)
    labels(exporter, flowers, tumours)
    types_and_options(exporter, flowers, diabetes)
    texts(exporter)
    columns(exporter)
    return [exporter.source]


def add_matrix(exporter, name, estimator, x, y):
    """An estimator on one float32 matrix; a classifier with and without ZipMap."""
    x = x.astype(np.float32)
    classifier = hasattr(estimator, "predict_proba") and "RFE" not in name

    def make(zipmap):
        estimator.fit(x, y) if y is not None else estimator.fit(x)
        options = {"zipmap": zipmap} if takes_zipmap(estimator) else None
        return to_onnx(estimator, x[:1], options=options, target_opset=OPSET)

    if takes_zipmap(estimator):
        exporter.add(f"{name}, ZipMap", lambda: make(True), rows(x), classifier)
    exporter.add(name, lambda: make(False), rows(x), classifier)


def takes_zipmap(estimator):
    """Whether the converter has the option for it."""
    if type(estimator).__name__ in ("LinearSVC", "RFE"):
        return False
    kind = getattr(estimator, "_estimator_type", None) or getattr(estimator.__sklearn_tags__(), "estimator_type", None)
    return kind == "classifier"


def labels(exporter, flowers, tumours):
    """Two classifiers with every kind of label."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    names = np.array(["setosa", "versicolor", "virginica"])
    kinds = {
        "text labels": names[flowers[1]],
        "labels 10, 20, 30": 10 * (flowers[1] + 1),
        "labels -1, 0, 1": flowers[1] - 1,
        "boolean labels": flowers[1] == 0,
        "text labels that are numbers": (flowers[1] + 7).astype(str),
    }
    x = flowers[0].astype(np.float32)
    for kind, y in kinds.items():
        for make in (lambda: LogisticRegression(max_iter=1000), lambda: RandomForestClassifier(10, random_state=0)):
            name = type(make()).__name__
            for how in (True, False, "columns"):
                shown = {True: ", ZipMap", False: "", "columns": ", ZipMap by columns"}[how]

                def export(make=make, y=y, how=how):
                    return to_onnx(make().fit(x, y), x[:1], options={"zipmap": how}, target_opset=OPSET)

                exporter.add(f"{name}, {kind}{shown}", export, rows(x), how != "columns")
    x, y = tumours[0].astype(np.float32), np.array(["malignant", "benign"])[tumours[1]]
    for how in (True, False):

        def export(how=how):
            model = RandomForestClassifier(10, random_state=0).fit(x, y)
            return to_onnx(model, x[:1], options={"zipmap": how}, target_opset=OPSET)

        exporter.add(f"RandomForestClassifier, two text labels{', ZipMap' if how else ''}", export, rows(x), True)


def types_and_options(exporter, flowers, diabetes):
    """Double precision, integers, a fixed batch, raw scores and additional outputs of the converter."""
    from sklearn.cluster import KMeans
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.mixture import GaussianMixture
    from sklearn.tree import DecisionTreeClassifier

    x, y = flowers
    single, whole = x.astype(np.float32), (10 * x).astype(np.int64)
    logistic, forest = LogisticRegression(max_iter=1000), RandomForestClassifier(10, random_state=0)
    plain = {"zipmap": False}

    def export(estimator, data, target, kind, options):
        model = estimator.fit(data, target)
        return to_onnx(model, initial_types=[("X", kind)], options=options, target_opset=OPSET)

    wide = DoubleTensorType([None, 4])
    narrow = FloatTensorType([None, 4])
    cases = [
        ("LogisticRegression, float64", logistic, x, y, wide, plain, True),
        ("LinearRegression, float64", LinearRegression(), diabetes[0], diabetes[1], DoubleTensorType([None, 10]), None, False),
        ("RandomForestClassifier, int64 inputs", forest, whole, y, Int64TensorType([None, 4]), plain, True),
        (
            "RandomForestRegressor, int64 inputs",
            RandomForestRegressor(10, random_state=0),
            whole,
            x[:, 0],
            Int64TensorType([None, 4]),
            None,
            False,
        ),
        ("LogisticRegression, a batch of 1", logistic, single, y, FloatTensorType([1, 4]), plain, True),
        ("LogisticRegression, a batch of 1, ZipMap", logistic, single, y, FloatTensorType([1, 4]), {"zipmap": True}, True),
        ("LogisticRegression, raw scores", logistic, single, y, narrow, {"zipmap": False, "raw_scores": True}, False),
        ("LogisticRegression, raw scores, ZipMap", logistic, single, y, narrow, {"zipmap": True, "raw_scores": True}, False),
        (
            "LogisticRegression with the class labels as an output",
            logistic,
            single,
            y,
            narrow,
            {"zipmap": False, "output_class_labels": True},
            True,
        ),
        (
            "DecisionTreeClassifier with its path",
            DecisionTreeClassifier(max_depth=3),
            single,
            y,
            narrow,
            {"zipmap": False, "decision_path": True},
            True,
        ),
        (
            "RandomForestRegressor with its leaves",
            RandomForestRegressor(5, random_state=0),
            single,
            y,
            narrow,
            {"decision_leaf": True},
            False,
        ),
        (
            "GaussianMixture with score_samples",
            GaussianMixture(3, random_state=0),
            single,
            None,
            narrow,
            {"score_samples": True},
            False,
        ),
        ("KMeans, float64", KMeans(3, random_state=0, n_init=3), x, None, wide, None, False),
    ]
    for name, estimator, data, target, kind, options, classifier in cases:

        def make(estimator=estimator, data=data, target=target, kind=kind, options=options):
            named = {id(estimator): options} if options else None
            return export(estimator, data, target, kind, named)

        exporter.add(name, make, rows(data), classifier)


def texts(exporter):
    """Models with one text input."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    said = np.array([text for text, _ in SENTENCES])
    moods = np.array([mood for _, mood in SENTENCES])
    feeds = [{"text": np.array([[text]], dtype=object)} for text in said[:ROWS]]
    pipelines = {
        "TfidfVectorizer and LogisticRegression on a text": (make_pipeline(TfidfVectorizer(), LogisticRegression()), moods),
        "CountVectorizer and MultinomialNB on a text": (make_pipeline(CountVectorizer(), MultinomialNB()), moods),
        "TfidfVectorizer of word pairs": (make_pipeline(TfidfVectorizer(ngram_range=(1, 2))), None),
        "TfidfVectorizer and Ridge on a text": (make_pipeline(TfidfVectorizer(), Ridge()), (moods == "good").astype(float)),
    }
    for name, (pipeline, y) in pipelines.items():

        def make(pipeline=pipeline, y=y, zipmap=None):
            # ONNX Runtime's default is the locale en_US.UTF-8, which few containers have.
            options = {id(pipeline[0]): {"locale": "C"}} | ({} if zipmap is None else {id(pipeline): {"zipmap": zipmap}})
            model = pipeline.fit(said, y)
            return to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options=options, target_opset=OPSET)

        if hasattr(pipeline, "predict_proba"):
            exporter.add(f"{name}, ZipMap", lambda make=make: make(zipmap=True), feeds, True)
            exporter.add(name, lambda make=make: make(zipmap=False), feeds, True)
        else:
            exporter.add(name, make, feeds)


def columns(exporter):
    """Pipelines on a table with numeric and categorical columns, one graph input for each column."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    kinds = [
        (name, StringTensorType([None, 1]) if name in CATEGORIES else FloatTensorType([None, 1]))
        for name in TABLE.columns
        if name not in ("left", "spent")
    ]
    types = {name: object if name in CATEGORIES else np.float32 for name, _ in kinds}
    features = TABLE[list(types)]
    feeds = [
        {name: np.array([[row[name]]], dtype=kind) for name, kind in types.items()}
        for _, row in features.iloc[:: len(features) // ROWS].iterrows()
    ]
    numeric = [name for name in types if name not in CATEGORIES]
    encoders = {"OneHotEncoder": OneHotEncoder(handle_unknown="ignore", sparse_output=False), "OrdinalEncoder": OrdinalEncoder()}
    models = [
        (LogisticRegression(max_iter=1000), "left"),
        (GradientBoostingClassifier(n_estimators=10), "left"),
        (LinearRegression(), "spent"),
        (RandomForestRegressor(10, random_state=0), "spent"),
    ]
    for encoder, encode in encoders.items():
        for model, target in models:
            scale = make_pipeline(SimpleImputer(), StandardScaler())
            pipeline = make_pipeline(make_column_transformer((scale, numeric), (encode, CATEGORIES)), model)

            def make(pipeline=pipeline, target=target, zipmap=None):
                options = None if zipmap is None else {id(pipeline): {"zipmap": zipmap}}
                fitted = pipeline.fit(features, TABLE[target])
                return to_onnx(fitted, initial_types=kinds, options=options, target_opset=OPSET)

            name = f"a table of numbers and categories, {encoder} and {type(model).__name__}"
            if hasattr(model, "predict_proba"):
                exporter.add(f"{name}, ZipMap", lambda make=make: make(zipmap=True), feeds, True)
                exporter.add(name, lambda make=make: make(zipmap=False), feeds, True)
            else:
                exporter.add(name, make, feeds)
