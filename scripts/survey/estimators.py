"""The scikit-learn estimators to try: every family for which skl2onnx has a converter."""

import numpy as np
from sklearn import (
    calibration,
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    kernel_approximation,
    linear_model,
    mixture,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    random_projection,
    svm,
    tree,
)
from sklearn.cross_decomposition import PLSRegression
from sklearn.multioutput import MultiOutputRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris

SEED = {"random_state": 0}
FEW = {"n_estimators": 10, "random_state": 0}


def named(*estimators):
    return {type(estimator).__name__: estimator for estimator in estimators}


CLASSIFIERS = named(
    calibration.CalibratedClassifierCV(svm.LinearSVC(**SEED)),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    discriminant_analysis.QuadraticDiscriminantAnalysis(),
    ensemble.AdaBoostClassifier(**FEW),
    ensemble.BaggingClassifier(**FEW),
    ensemble.ExtraTreesClassifier(**FEW),
    ensemble.GradientBoostingClassifier(**FEW),
    ensemble.HistGradientBoostingClassifier(max_iter=10, **SEED),
    ensemble.RandomForestClassifier(**FEW),
    ensemble.StackingClassifier(
        [("tree", tree.DecisionTreeClassifier(max_depth=3, **SEED)), ("bayes", naive_bayes.GaussianNB())]
    ),
    ensemble.VotingClassifier(
        [("tree", tree.DecisionTreeClassifier(**SEED)), ("bayes", naive_bayes.GaussianNB())], flatten_transform=False
    ),
    linear_model.LogisticRegression(max_iter=1000),
    linear_model.LogisticRegressionCV(max_iter=1000, cv=3),
    linear_model.Perceptron(**SEED),
    linear_model.RidgeClassifier(),
    linear_model.RidgeClassifierCV(),
    model_selection.GridSearchCV(tree.DecisionTreeClassifier(**SEED), {"max_depth": [2, 3]}),
    multiclass.OneVsOneClassifier(linear_model.LogisticRegression(max_iter=1000)),
    multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=1000)),
    naive_bayes.BernoulliNB(),
    naive_bayes.ComplementNB(),
    naive_bayes.GaussianNB(),
    naive_bayes.MultinomialNB(),
    neighbors.KNeighborsClassifier(),
    neighbors.NearestCentroid(),
    neighbors.RadiusNeighborsClassifier(radius=10),
    neural_network.MLPClassifier(max_iter=500, **SEED),
    svm.LinearSVC(**SEED),
    svm.NuSVC(nu=0.3),
    svm.SVC(),
    tree.DecisionTreeClassifier(**SEED),
    tree.ExtraTreeClassifier(**SEED),
) | {
    "SGDClassifier, hinge": linear_model.SGDClassifier(**SEED),
    "SGDClassifier, log_loss": linear_model.SGDClassifier(loss="log_loss", **SEED),
    "SGDClassifier, modified_huber": linear_model.SGDClassifier(loss="modified_huber", **SEED),
    "SVC, probability": svm.SVC(probability=True, **SEED),
    "SVC, linear kernel": svm.SVC(kernel="linear"),
    "VotingClassifier, hard": ensemble.VotingClassifier(
        [("tree", tree.DecisionTreeClassifier(**SEED)), ("bayes", naive_bayes.GaussianNB())],
        voting="hard",
        flatten_transform=False,
    ),
    "Pipeline of StandardScaler, PCA and LogisticRegression": pipeline.make_pipeline(
        preprocessing.StandardScaler(), decomposition.PCA(2), linear_model.LogisticRegression()
    ),
    "Pipeline of MinMaxScaler and KNeighborsClassifier": pipeline.make_pipeline(
        preprocessing.MinMaxScaler(), neighbors.KNeighborsClassifier(3)
    ),
}
# These need positive values.
SHIFTED = ("ComplementNB", "MultinomialNB")

REGRESSORS = named(
    PLSRegression(2),
    ensemble.AdaBoostRegressor(**FEW),
    ensemble.BaggingRegressor(**FEW),
    ensemble.ExtraTreesRegressor(**FEW),
    ensemble.GradientBoostingRegressor(**FEW),
    ensemble.HistGradientBoostingRegressor(max_iter=10, **SEED),
    ensemble.RandomForestRegressor(**FEW),
    ensemble.StackingRegressor([("tree", tree.DecisionTreeRegressor(max_depth=3, **SEED)), ("ridge", linear_model.Ridge())]),
    ensemble.VotingRegressor([("tree", tree.DecisionTreeRegressor(**SEED)), ("ridge", linear_model.Ridge())]),
    gaussian_process.GaussianProcessRegressor(**SEED),
    linear_model.ARDRegression(),
    linear_model.BayesianRidge(),
    linear_model.ElasticNet(),
    linear_model.GammaRegressor(),
    linear_model.HuberRegressor(max_iter=1000),
    linear_model.Lars(),
    linear_model.Lasso(),
    linear_model.LassoLars(),
    linear_model.LinearRegression(),
    linear_model.MultiTaskElasticNet(),
    linear_model.MultiTaskLasso(),
    linear_model.OrthogonalMatchingPursuit(),
    linear_model.PoissonRegressor(),
    linear_model.QuantileRegressor(),
    linear_model.RANSACRegressor(**SEED),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.SGDRegressor(**SEED),
    linear_model.TheilSenRegressor(max_subpopulation=200, **SEED),
    linear_model.TweedieRegressor(),
    neighbors.KNeighborsRegressor(),
    neighbors.RadiusNeighborsRegressor(radius=1),
    neural_network.MLPRegressor(max_iter=500, **SEED),
    svm.LinearSVR(**SEED),
    svm.NuSVR(),
    svm.SVR(),
    tree.DecisionTreeRegressor(**SEED),
    tree.ExtraTreeRegressor(**SEED),
)

UNSUPERVISED = named(
    cluster.KMeans(3, n_init=3, **SEED),
    cluster.MiniBatchKMeans(3, n_init=3, **SEED),
    decomposition.FactorAnalysis(2, **SEED),
    decomposition.IncrementalPCA(2),
    decomposition.KernelPCA(2),
    decomposition.PCA(2),
    decomposition.TruncatedSVD(2, **SEED),
    ensemble.IsolationForest(**FEW),
    ensemble.RandomTreesEmbedding(n_estimators=5, **SEED),
    feature_selection.VarianceThreshold(0.5),
    impute.KNNImputer(),
    impute.SimpleImputer(),
    kernel_approximation.Nystroem(n_components=5, **SEED),
    mixture.BayesianGaussianMixture(n_components=3, **SEED),
    mixture.GaussianMixture(n_components=3, **SEED),
    neighbors.LocalOutlierFactor(novelty=True),
    preprocessing.Binarizer(threshold=2),
    preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    preprocessing.MaxAbsScaler(),
    preprocessing.MinMaxScaler(),
    preprocessing.Normalizer(),
    preprocessing.PolynomialFeatures(2),
    preprocessing.PowerTransformer(),
    preprocessing.QuantileTransformer(n_quantiles=10, **SEED),
    preprocessing.RobustScaler(),
    preprocessing.SplineTransformer(),
    preprocessing.StandardScaler(),
    random_projection.GaussianRandomProjection(3, **SEED),
    svm.OneClassSVM(),
)

_digits = load_digits(return_X_y=True)
_diabetes = load_diabetes(return_X_y=True)
_flowers = load_iris(return_X_y=True)
# Estimators with specific data: (estimator, x, y).
OTHERS = {
    "GaussianProcessClassifier of two classes": (
        gaussian_process.GaussianProcessClassifier(**SEED),
        _flowers[0][:100:4],
        _flowers[1][:100:4],
    ),
    "LogisticRegression on digits": (linear_model.LogisticRegression(max_iter=2000), *_digits),
    "RandomForestClassifier on digits": (ensemble.RandomForestClassifier(**FEW), *_digits),
    "NeighborhoodComponentsAnalysis": (neighbors.NeighborhoodComponentsAnalysis(2, max_iter=20, **SEED), *_flowers),
    "SelectKBest": (feature_selection.SelectKBest(k=2), *_flowers),
    "RFE": (feature_selection.RFE(linear_model.LogisticRegression(max_iter=1000), n_features_to_select=2), *_flowers),
    "MultiOutputRegressor": (
        MultiOutputRegressor(linear_model.Ridge()),
        _diabetes[0],
        np.stack([_diabetes[1], -_diabetes[1]], axis=1),
    ),
    "RandomForestRegressor of two targets": (
        ensemble.RandomForestRegressor(**FEW),
        _diabetes[0],
        np.stack([_diabetes[1], -_diabetes[1]], axis=1),
    ),
    "OneVsRestClassifier of several labels": (
        multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=1000)),
        _flowers[0],
        np.stack([_flowers[1] > 0, _flowers[1] == 1], axis=1).astype(int),
    ),
    "CategoricalNB": (naive_bayes.CategoricalNB(), _flowers[0].round() % 4, _flowers[1]),
}
