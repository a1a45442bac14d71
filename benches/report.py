"""From the results of the races to numbers with intervals and a table in Markdown."""

import math
import os
import platform
import statistics
from itertools import pairwise
from pathlib import Path

from peers import PREDICTING

ISA = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "asimd", "sve")
CONFIDENCE = 0.93  # five rounds: the smallest and the largest ratio enclose the median in 15 of 16 cases


def machine() -> dict:
    info = Path("/proc/cpuinfo").read_text()
    fields = {}
    for line in info.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features", "")).split())
    quota = Path("/sys/fs/cgroup/cpu.max")
    return {
        "cpu": fields.get("model name", platform.processor()),
        "family_model": "/".join(fields.get(key, "?") for key in ("cpu family", "model", "stepping")),
        "isa": [flag for flag in ISA if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "cpu_quota": quota.read_text().strip() if quota.exists() else None,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def interval(values: list[float]) -> tuple[float, float, float]:
    """Bounds of the median from the order of the values alone, and how often such bounds enclose it."""
    values, n = sorted(values), len(values)

    def coverage(cut: int) -> float:  # with `cut` values dropped at each end
        return 1 - 2 * sum(math.comb(n, k) for k in range(cut + 1)) / 2**n

    cut = 0
    while coverage(cut + 1) >= CONFIDENCE:
        cut += 1
    return values[cut], values[n - 1 - cut], max(coverage(cut), 0.0)


def contenders(rounds: list[dict], predicting: bool) -> dict[str, list[dict]]:
    """Results by contender, one a round: a peer, or, when predicting, each way that a peer has."""
    found: dict[str, list[dict]] = {}
    for results in rounds:
        for peer, result in results.items():
            if predicting:
                for way, figures in result["ways"].items():
                    found.setdefault(f"{peer}: {way}", []).append(figures)
            else:
                found.setdefault(peer, []).append(result)
    return found


def ratios(values: list[dict], reference: list[dict], key: str, rising: bool = False) -> dict:
    """How many times better the reference is, by paired rounds; `rising` where more is better."""
    pairs = [v[key] for v in values], [r[key] for r in reference]
    return paired(*(reversed(pairs) if rising else pairs))


def summary(rounds: list[dict], reference: str, predicting: bool) -> dict:
    """Medians over the rounds and, for each figure, the ratio to the reference's: its best way when predicting."""
    found = contenders(rounds, predicting)
    compared = {"p50_us": False, "rows_per_s": True} if predicting else {"us_per_step": False}
    result: dict[str, dict] = {}
    for name, values in found.items():
        keys = [key for key, value in values[0].items() if isinstance(value, int | float)]
        result[name] = {key: statistics.median(v[key] for v in values) for key in keys}
        result[name] |= {"best": {}, "ratio": {}}
    for key, rising in compared.items():
        first = max if rising else min
        own = {name: result[name][key] for name in found if name.split(":")[0] == reference}
        best = first(own, key=own.get)
        for name, values in found.items():
            result[name]["best"][key] = first(v[key] for v in values)
            result[name]["ratio"][key] = ratios(values, found[best], key, rising)
    return result


def paired(values: list[float], reference: list[float]) -> dict:
    """value ÷ reference by rounds: median, bounds, and how often such bounds enclose it."""
    each = [value / other for value, other in zip(values, reference, strict=True)]
    low, high, covered = interval(each)
    return {"median": statistics.median(each), "low": low, "high": high, "coverage": covered, "rounds": each}


def cliffs(points: list[dict], what: str, limit: float = 1.5) -> list[tuple[int, int, float]]:
    """Steps between neighbouring sizes that cost more than `limit` times their share: from, to, and how many times it.

    A point has a `size`, its `work`, and seconds under `what`; the share of a step is the growth of the work.
    """
    growths = [(a["size"], b["size"], b[what] / a[what] / (b["work"] / a["work"])) for a, b in pairwise(points)]
    return [step for step in growths if step[2] > limit]


def losses_apart(losses: dict[str, float], reference: str, tolerance: float) -> dict[str, float]:
    """The peers whose loss is further from the reference's than the tolerance, relative; NaN is."""
    away = {peer: abs(loss / losses[reference] - 1) for peer, loss in losses.items()}
    return {peer: distance for peer, distance in away.items() if not distance <= tolerance}


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_text(ratio: dict) -> str:
    return f"**{number(ratio['median'])}** ({number(ratio['low'])}–{number(ratio['high'])})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def training_table(race: dict) -> str:
    reference = race["reference"]
    header = ["peer", "setting", "µs a step, median", "best", f"÷ {reference} (interval)", "CPU µs a step", "loss"]
    rows = []
    for peer, figures in race["summary"].items():
        shown = [number(figures["us_per_step"]), number(figures["best"]["us_per_step"])]
        shown += [ratio_text(figures["ratio"]["us_per_step"]), number(figures["cpu_us_per_step"])]
        rows.append([peer, race["settings"][peer] or "–", *shown, f"{figures['final_loss']:.4g}"])
    return table([*header, "threads"], [[*row, str(race["rounds"][0][row[0]]["threads"])] for row in rows])


def predicting_table(race: dict) -> str:
    reference = race["reference"]
    header = ["peer", "one row: p50, µs", "p99, µs", f"p50 ÷ {reference}'s best", "10,000 rows: M rows/s"]
    rows = []
    for name, figures in race["summary"].items():
        ratio = figures["ratio"]
        shown = [number(figures["p50_us"]), number(figures["p99_us"]), ratio_text(ratio["p50_us"])]
        rows.append([name, *shown, f"{figures['rows_per_s'] / 1e6:.2f}", ratio_text(ratio["rows_per_s"])])
    return table([*header, f"{reference}'s best ÷ it"], rows)


def imports_table(races: dict) -> str:
    """Import alone, and import, building and the first epoch of `small` together, each in a fresh process."""
    found: dict[str, list[dict]] = {}
    for race in races.values():
        for results in race["rounds"]:
            for peer, result in results.items():
                found.setdefault(peer, []).append(result)
    rows = []
    for peer, results in found.items():
        middle = {key: statistics.median(r[key] for r in results) for key in ("import_s", "import_mib")}
        first = [r["import_s"] + r["build_s"] + r["first_epoch_s"] for r in results if r["job"] == "small"]
        versions = ", ".join(f"{name} {version}" for name, version in results[0]["versions"].items())
        shown = [f"{middle['import_s']:.2f}", f"{middle['import_mib']:.0f}"]
        rows.append([peer, *shown, f"{statistics.median(first):.2f}" if first else "–", versions])
    header = ["peer", "import, s", "import, MiB above NumPy", "import + build + first epoch of small, s", "versions"]
    return table(header, rows)


def render(report: dict) -> str:
    m = report["machine"]
    host = f"**{m['cpu']}** (family/model/stepping {m['family_model']}), {m['cores']} cores, {m['memory_gib']} GiB"
    noise = f"{report['foreign_cores']:.2f} cores on average, {report['foreign_most']:.2f} at worst"
    lines = [
        f"{host}, {' '.join(m['isa'])}; {m['system']}; {report['started']}; commit {report['commit']}",
        "",
        f"Ratios: median over paired rounds; above 1 the reference is ahead. Other programs took meanwhile: {noise}.",
    ]
    for name, race in report["races"].items():
        lines += ["", f"### {name} — {len(race['rounds'])} rounds", ""]
        lines.append((predicting_table if name in PREDICTING else training_table)(race))
        lines += ["", *(f"- {note}" for note in race["notes"])]
    if report["races"]:
        lines += ["", "### Starting", "", imports_table(report["races"])]
    problems = [f"**{problem}**" for problem in report["problems"]] or ["No disagreement and no failure."]
    lines += ["", *(f"- {note}" for note in [*report["skipped"], *problems])]
    return "\n".join(lines)
