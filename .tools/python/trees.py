"""Trains small tree ensembles with LightGBM and XGBoost and writes what the
libraries themselves make of some rows, for package scorer/trees to compare.

    .cache/python/bin/python .tools/python/trees.py DIR [--small]

For each model DIR gets NAME.txt (LightGBM) or NAME.json (XGBoost), as the
library saves it, and NAME.rows.json with

    features       names, in the order of the columns
    rows           each a text of numbers, nan where one is missing
    margins        the library's raw score of each row
    responses      its prediction on the scale of the label
    contributions  its own path contributions, last the bias (XGBoost alone)
    bias           its expected margin (LightGBM alone)

Everything follows from fixed seeds; data are generated here. --small writes
the few kilobytes that testdata/trees holds. Files there that have a version in
their name were written by this script under that older release.
"""

import argparse
import json
import pathlib

import lightgbm
import numpy as np
import xgboost

FEATURES = ["bytes_out", "requests_per_minute", "distinct_paths", "country_code", "failures"]
CATEGORICAL = "country_code"


def generate(rng, n, missing):
    """Rows of four numbers and a category of 70 codes, with labels that depend on all of them."""
    x = rng.normal(size=(n, len(FEATURES)))
    x[:, 0] = np.exp(6 + 2 * x[:, 0])
    x[:, 3] = np.minimum(69, rng.geometric(0.06, n))
    x[:, 4] = rng.poisson(0.7, n)
    latent = np.log(x[:, 0]) - 6 + x[:, 1] * x[:, 2] + 0.8 * (x[:, 3] % 5 == 1) - x[:, 4]
    y = (latent + rng.normal(scale=0.5, size=n) > 0).astype(float)
    if missing:
        x[rng.random(x.shape) < 0.12] = np.nan
    return x, y


def probe(rng, n, thresholds):
    """Rows to score: ordinary ones, and ones that sit on and beside thresholds, are zero, missing,
    tiny, huge, or carry a category that training never saw."""
    x, _ = generate(rng, n, True)
    odd = [0.0, -0.0, np.nan, 1e-36, -1e-36, 2e-35, 1e30, -1e30, 0.5]
    for row in x[n // 3 :]:
        for column in range(x.shape[1]):
            choice = rng.random()
            near = thresholds.get(column)
            if near and choice < 0.5:
                t = near[rng.integers(len(near))]
                row[column] = t * (1 + 2.0 ** -rng.integers(22, 54) * rng.integers(-1, 1))
            elif choice < 0.7:
                row[column] = odd[rng.integers(len(odd))]
        if rng.random() < 0.5:
            row[3] = [0, 2.7, 31, 32, 63, 64, 69, 70, 500, 70000][rng.integers(10)]
    return x


def table(values):
    return [" ".join(repr(float(v)) for v in row) for row in values]


def write(folder, name, facts):
    (folder / f"{name}.rows.json").write_text(json.dumps({"features": FEATURES, **facts}) + "\n")


def lightgbm_models(small):
    """(name, parameters, training has missing values)"""
    few = {"num_leaves": 6, "n": 4} if small else {"num_leaves": 31, "n": 100}
    yield "numeric", {"objective": "binary", **few}, False
    yield "missing", {"objective": "binary", "sigmoid": 1.7, **few}, True
    yield "zero", {"objective": "binary", "zero_as_missing": True, **few}, True
    yield "categorical", {"objective": "binary", "categorical": True, "min_data_per_group": 5, "cat_smooth": 1, **few}, True
    yield "onehot", {"objective": "cross_entropy", "categorical": True, "max_cat_to_onehot": 100, **few}, True
    yield "forest", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, **few}, True
    yield "leaf", {"objective": "binary", "min_data_in_leaf": 10**6, **few}, True
    if small:
        return
    yield "dart", {"objective": "binary", "boosting": "dart", **few}, True
    yield "deep", {"objective": "regression", "num_leaves": 600, "min_data_in_leaf": 1, "n": 40}, True
    yield "regression", {"objective": "regression", "categorical": True, **few}, False


def train_lightgbm(folder, small, rows):
    for i, (name, parameters, missing) in enumerate(lightgbm_models(small)):
        rng = np.random.default_rng([1, i])
        x, y = generate(rng, 2000, missing)
        categorical = [CATEGORICAL] if parameters.pop("categorical", False) else []
        trees = parameters.pop("n")
        fixed = {"seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}
        data = lightgbm.Dataset(x, y, feature_name=FEATURES, categorical_feature=categorical)
        model = lightgbm.train({**parameters, **fixed}, data, trees)
        name = f"lightgbm-{name}"
        model.save_model(folder / f"{name}.txt")
        thresholds = {}
        for line in (folder / f"{name}.txt").read_text().split("Tree=")[1:]:
            fields = dict(f.split("=", 1) for f in line.splitlines() if "=" in f)
            for f, t, d in zip(fields["split_feature"].split(), fields["threshold"].split(), fields["decision_type"].split()):
                if not int(d) & 1:
                    thresholds.setdefault(int(f), []).append(float(t))
        x = probe(rng, rows, thresholds)
        if categorical:
            x[::17, 3] = [-1, -0.5, -7][i % 3]
        x[::29, 1], x[::31, 2] = np.inf, -np.inf
        # A random forest's raw score is the sum over its trees; its objective is given the mean.
        parts = model.num_trees() if parameters.get("boosting") == "rf" else 1
        raw = model.predict(x, raw_score=True) / parts
        bias = model.predict(x[:1], pred_contrib=True)[0, -1] / parts
        facts = {"rows": table(x), "margins": raw.tolist(), "responses": model.predict(x).tolist()}
        write(folder, name, {**facts, "bias": float(bias)})


def xgboost_models(small):
    """(name, parameters, training has missing values)"""
    few = {"max_depth": 3, "n": 4} if small else {"max_depth": 6, "n": 100}
    yield "numeric", {"objective": "binary:logistic", **few}, False
    yield "missing", {"objective": "binary:logistic", "base_score": 0.2, **few}, True
    yield "categorical", {"objective": "binary:logistic", "categorical": True, "max_cat_to_onehot": 2, **few}, True
    yield "onehot", {"objective": "reg:logistic", "categorical": True, "max_cat_to_onehot": 100, **few}, True
    yield "dart", {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3, **few}, True
    yield "pruned", {"objective": "reg:squarederror", "tree_method": "exact", "gamma": 12, **few}, True
    yield "leaf", {"objective": "reg:squarederror", "gamma": 1e9, **few}, True
    if small:
        return
    yield "forest", {"objective": "binary:logistic", "num_parallel_tree": 5, "subsample": 0.7, "max_depth": 6, "n": 10}, True
    yield "deep", {"objective": "reg:squarederror", "max_depth": 18, "min_child_weight": 0, "n": 40}, True
    yield "lossguide", {"objective": "binary:logistic", "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0, "n": 100}, True


def train_xgboost(folder, small, rows):
    for i, (name, parameters, missing) in enumerate(xgboost_models(small)):
        rng = np.random.default_rng([2, i])
        x, y = generate(rng, 2000, missing)
        kinds = ["q"] * len(FEATURES)
        if parameters.pop("categorical", False):
            kinds[FEATURES.index(CATEGORICAL)] = "c"
        trees = parameters.pop("n")

        def matrix(values, label=None):
            return xgboost.DMatrix(values, label, feature_names=FEATURES, feature_types=kinds, enable_categorical=True)

        model = xgboost.train({**parameters, "seed": 1, "nthread": 1}, matrix(x, y), trees)
        name = f"xgboost-{name}"
        model.save_model(folder / f"{name}.json")
        thresholds = {}
        learner = json.loads((folder / f"{name}.json").read_text())["learner"]["gradient_booster"]
        for tree in learner.get("gbtree", learner)["model"]["trees"]:
            for f, t, left, kind in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"], tree["split_type"]):
                if left >= 0 and not kind:
                    thresholds.setdefault(f, []).append(float(np.float32(t)))
        x = probe(rng, rows, thresholds)
        d = matrix(x)
        contributions = model.predict(d, pred_contribs=True, approx_contribs=True)
        facts = {"rows": table(x), "margins": model.predict(d, output_margin=True).tolist(), "responses": model.predict(d).tolist()}
        write(folder, name, {**facts, "contributions": contributions.tolist()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = 45 if arguments.small else 600
    train_lightgbm(arguments.folder, arguments.small, rows)
    train_xgboost(arguments.folder, arguments.small, rows)


if __name__ == "__main__":
    main()
