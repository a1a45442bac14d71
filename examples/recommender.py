"""Lesson 7: a recommender: which films will somebody like, given how they rated others?

Everybody has a taste, a few numbers, and every film has as many: how much action, how much romance. The rating is high
where the two agree, which is their dot product; and some people are kind, and some films are good:

    rating = mean + kindness of the person + quality of the film + taste · film

Nobody tells the model the tastes. They are embeddings, a row of numbers for each person and each film, found by
gradient descent from the ratings alone. An L2 penalty keeps the rows of people who rated little near zero.
"""

import numpy as np

from ironhorn import Input, Model
from ironhorn.callbacks import EarlyStopping
from ironhorn.layers import Add, Dot, Embedding, Rescaling
from ironhorn.optimizers import Adam
from ironhorn.regularizers import L2
from ironhorn.utils import set_random_seed

PEOPLE, FILMS = 300, 120
Ratings = tuple[list[np.ndarray], np.ndarray]


def made_ratings(random: np.random.Generator, rows: int) -> tuple[list[Ratings], np.ndarray]:
    """Ratings from 1 to 5 to learn from, to stop by and to judge by; and what everybody would rate every film."""
    tastes, films = random.normal(0, 0.7, (PEOPLE, 3)), random.normal(0, 0.7, (FILMS, 3))
    kindness, quality = random.normal(0, 0.4, (PEOPLE, 1)), random.normal(0, 0.4, FILMS)
    liking = 3.3 + kindness + quality + tastes @ films.T
    ratings = np.clip(np.rint(liking + random.normal(0, 0.3, liking.shape)), 1, 5)
    person, film = np.unravel_index(random.permutation(PEOPLE * FILMS)[:rows], liking.shape)
    parts = np.split(np.arange(rows), [rows * 8 // 10, rows * 9 // 10])
    return [([person[part], film[part]], ratings[person[part], film[part]]) for part in parts], liking


def recommender(mean: float, size: int, penalty: float) -> Model:
    person, film = Input((), dtype="int32", name="person"), Input((), dtype="int32", name="film")
    taste = Embedding(PEOPLE, size, embeddings_regularizer=L2(penalty), name="taste")(person)
    content = Embedding(FILMS, size, embeddings_regularizer=L2(penalty), name="content")(film)
    kindness = Embedding(PEOPLE, 1, embeddings_initializer="zeros", name="kindness")(person)
    quality = Embedding(FILMS, 1, embeddings_initializer="zeros", name="quality")(film)
    above_mean = Add()([Dot(axes=1)([taste, content]), kindness, quality])
    model = Model([person, film], Rescaling(1, offset=mean, name="rating")(above_mean))
    model.compile(optimizer=Adam(0.005), loss="mse", metrics=["root_mean_squared_error"])
    return model


def rmse(prediction: np.ndarray | float, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def by_means(train: Ratings, test: Ratings) -> float:
    """The error of: the mean, and how far the person's and the film's own means are above it."""
    mean = answer = train[1].mean()
    for rows, new, count in zip(train[0], test[0], (PEOPLE, FILMS), strict=True):
        sums, counts = np.bincount(rows, train[1] - mean, count), np.bincount(rows, minlength=count)
        answer = answer + (sums / np.maximum(counts, 1))[new]
    return rmse(answer, test[1])


def main(rows: int = 12000, size: int = 4, seed: int = 0) -> dict[str, float]:
    """Trains, prints the errors and a person's recommendations; returns the errors."""
    set_random_seed(seed)
    (train, validation, test), liking = made_ratings(np.random.default_rng(seed), rows)
    model = recommender(train[1].mean(), size, penalty=2e-5)
    stop = EarlyStopping(patience=3, restore_best_weights=True)
    history = model.fit(*train, epochs=100, validation_data=validation, callbacks=[stop], verbose=0)
    errors = {
        "the mean rating": rmse(train[1].mean(), test[1]),
        "means of person and film": by_means(train, test),
        "embeddings": model.evaluate(*test, verbose=0, return_dict=True)["root_mean_squared_error"],
        "who made the ratings": rmse(liking[tuple(test[0])], test[1]),
    }
    print(f"{len(train[1])} of {PEOPLE * FILMS} ratings to learn from, {len(history.epoch)} epochs.")
    print("Root mean squared error on ratings not seen:\n")
    for name, error in errors.items():
        print(f"   {name:28}{error:.3f}")

    person = 7
    expected = model.predict([np.full(FILMS, person), np.arange(FILMS)], verbose=0)[:, 0]
    seen = np.concatenate([films[people == person] for (people, films), _ in (train, validation)])
    expected[seen] = -np.inf
    print(f"\nFor person {person}, of the films not rated yet:      expected   true liking")
    for film in np.argsort(-expected)[:5]:
        print(f"   film {film:3d} {expected[film]:42.2f}{liking[person, film]:14.2f}")
    return errors


if __name__ == "__main__":
    main()
