"""Lesson 10: several labels a row, each true or not by itself.

A photograph can show a beach and a dog, or neither. Softmax would make the labels compete; here each has a sigmoid of
its own, and binary crossentropy is the mean over as many yes-or-no questions as there are labels.

Accuracy is a poor judge of rare labels: who always says no to a label of 8 % is right in 92 %. So look at

    precision   of what was said to be there, how much is
    recall      of what is there, how much was found
    F1          their harmonic mean
    AUC         whether true ones are ranked above false ones, whatever the threshold
"""

import numpy as np

from ironhorn.layers import Dense, Input
from ironhorn.metrics import AUC, F1Score, Precision, Recall
from ironhorn.models import Sequential
from ironhorn.utils import set_random_seed

LABELS = ("warm", "different", "far out", "rare")


def labelled(rows: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of four features, and for each label a 1 or 0; one row in fifty of each label is turned round."""
    x = random.normal(size=(rows, 4))
    labels = [
        x[:, 0] > 0,  # a line separates it
        x[:, 0] * x[:, 1] < 0,  # two features of different sign: no line does
        (x**2).sum(axis=1) > 6,  # the outside of a ball
        x[:, 2] + x[:, 3] > 2.2,  # few rows
    ]
    y = np.column_stack(labels) ^ (random.random((rows, 4)) < 0.02)
    return x, y.astype(np.float32)


def main(epochs: int = 40, seed: int = 0) -> dict[str, dict[str, float]]:
    """Trains a linear and a deep model, prints the metrics of all labels together and of each; returns the former."""
    random = np.random.default_rng(seed)
    train, test = labelled(4000, random), labelled(2000, random)
    results = {}
    for name, hidden in (("linear", []), ("deep", [64, 64])):
        set_random_seed(seed)
        layers = [Dense(units, activation="relu") for units in hidden]
        model = Sequential([Input((4,)), *layers, Dense(len(LABELS), activation="sigmoid")])
        model.compile(
            optimizer="adam",
            loss="binary_crossentropy",
            metrics=[
                "binary_accuracy",
                Precision(name="precision"),
                Recall(name="recall"),
                F1Score(average="macro", threshold=0.5, name="f1"),
                AUC(multi_label=True, num_labels=len(LABELS), name="auc"),
            ],
        )
        model.fit(*train, epochs=epochs, verbose=0)
        results[name] = model.evaluate(*test, verbose=0, return_dict=True)

    columns = list(results["deep"])
    print("all labels   " + "".join(f"{column:>17}" for column in columns))
    for name, logs in results.items():
        print(f"{name:13}" + "".join(f"{logs[column]:17.3f}" for column in columns))

    # Metrics work alone as well. This is the deep model, label by label.
    y, answers = test[1], model.predict(test[0], verbose=0)
    f1 = F1Score(threshold=0.5)(y, answers)
    print("\nby label     share of rows  precision   recall       F1      AUC")
    for i, label in enumerate(LABELS):
        one = [metric(y[:, i], answers[:, i]) for metric in (Precision(), Recall(), AUC())]
        print(f"{label:13}{y[:, i].mean():13.1%}{one[0]:11.3f}{one[1]:9.3f}{f1[i]:9.3f}{one[2]:9.3f}")
    return results


if __name__ == "__main__":
    main()
