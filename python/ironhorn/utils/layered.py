"""Boxes of a graph in ranks: where to draw them so that arrows point one way.

A box stands one rank below the lowest it depends on. Arrows over several ranks get a thin place of their own in each
rank between, so that they pass beside the boxes. Within a rank, places are ordered by the mean of what they are
connected to, a few sweeps down and up (the barycentre heuristic of Sugiyama, Tagawa and Toda 1981).
"""

import dataclasses
import itertools
from collections.abc import Sequence

GAP_ACROSS, GAP_ALONG, THIN = 24.0, 36.0, 10.0

Point = tuple[float, float]


@dataclasses.dataclass
class Placed:
    """What ``arrange`` gives: centres of the boxes, for each edge the points it passes through, and the whole size."""

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def arrange(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Placed:
    """Places boxes of these (width, height), with edges from number to number, from top to bottom.

    An edge to a smaller number, as a layer that is called twice can have, counts for no rank: it points back up.
    """
    ranks = [0] * len(sizes)
    for source, target in sorted(edges):
        if source < target:
            ranks[target] = max(ranks[target], ranks[source] + 1)
    widths, depth = [size[0] for size in sizes], list(ranks)
    chains: list[list[int]] = []
    for source, target in edges:
        chain = [source]
        for rank in range(ranks[source] + 1, ranks[target]):
            chain.append(len(widths))
            widths.append(THIN)
            depth.append(rank)
        chains.append([*chain, target])
    rows: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for number, rank in enumerate(depth):
        rows[rank].append(number)
    x = _across(rows, widths, [pair for chain in chains for pair in itertools.pairwise(chain)])
    heights = [max((sizes[n][1] for n in row if n < len(sizes)), default=0.0) for row in rows]
    tops = [sum(heights[:rank]) + rank * GAP_ALONG for rank in range(len(rows))]
    y = [tops[rank] + heights[rank] / 2 for rank in depth]
    routes = []
    for chain in chains:
        first, last = chain[0], chain[-1]
        route = [(x[first], y[first] + sizes[first][1] / 2)]
        for n in chain[1:-1]:
            top = tops[depth[n]]
            route += [(x[n], top), (x[n], top + heights[depth[n]])]
        routes.append([*route, (x[last], y[last] - sizes[last][1] / 2)])
    width = max((x[n] + widths[n] / 2 for n in range(len(widths))), default=0.0)
    height = sum(heights) + GAP_ALONG * max(len(rows) - 1, 0)
    return Placed([(x[n], y[n]) for n in range(len(sizes))], routes, width, height)


def _across(rows: list[list[int]], widths: list[float], links: Sequence[tuple[int, int]]) -> list[float]:
    """The centre of each place along its rank."""
    x = [0.0] * len(widths)
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in links:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)

    def spread(row: list[int], wanted: dict[int, float]) -> None:
        """Side by side, their middle where they want to be on the mean."""
        row.sort(key=lambda n: wanted[n])
        total = sum(widths[n] for n in row) + GAP_ACROSS * (len(row) - 1)
        left = sum(wanted[n] for n in row) / len(row) - total / 2
        for n in row:
            x[n] = left + widths[n] / 2
            left += widths[n] + GAP_ACROSS

    for row in rows:
        spread(row, {n: float(place) for place, n in enumerate(row)})
    for sweep in range(4):
        neighbours = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {n: [x[m] for m in neighbours.get(n, ())] for n in row}
            spread(row, {n: sum(near) / len(near) if near else x[n] for n, near in wanted.items()})
    start = min((x[n] - widths[n] / 2 for n in range(len(widths))), default=0.0)
    return [place - start for place in x]
