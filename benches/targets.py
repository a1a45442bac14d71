"""The targets of the project, row by row, held against what `suite.py` measured. Pure functions of its JSON."""

import statistics
from typing import NamedTuple

import report
from peers import NARROW, TRAINING

WIDE_PEERS = ("torch", "torch-compile", "jax", "keras-jax")
PEAK_SHARE, WIDE_SHAPES = 0.85, ("wide", "wide2")
PRODUCTS = ("forward", "input_gradient", "kernel_gradient")


class Row(NamedTuple):
    job: str
    what: str
    target: str
    measured: str
    met: bool | None  # None: not measured


def missing(job: str, what: str, target: str) -> Row:
    return Row(job, what, target, "not measured", None)


def times(value: dict) -> str:
    """A ratio and its interval."""
    return f"{report.number(value['median'])}× ({report.number(value['low'])}–{report.number(value['high'])})"


def races(result: dict, job: str) -> dict:
    return result.get("races", {}).get(job, {}).get("summary", {})


def ahead(result: dict, job: str, peer: str, least: float, title: str) -> Row:
    """How many times the peer's step takes Ironhorn's."""
    what, target = f"× {title}", f"≥ {least:g}×"
    if (figures := races(result, job).get(peer)) is None:
        return missing(job, what, target)
    ratio = figures["ratio"]["us_per_step"]
    return Row(job, what, target, times(ratio), ratio["median"] >= least)


def wide(result: dict) -> Row:
    what, target, summary = f"× the best of {', '.join(WIDE_PEERS)}", "≥ 1.25×", races(result, "wide")
    found = {peer: summary[peer]["us_per_step"] for peer in WIDE_PEERS if peer in summary}
    if not found:
        return missing("wide", what, target)
    best = min(found, key=found.get)
    ratio = summary[best]["ratio"]["us_per_step"]
    return Row("wide", what, target, f"{times(ratio)}, {best}", ratio["median"] >= 1.25)


def peak(result: dict, level: str) -> Row:
    """The least and the greatest share of the measured peak of one core among the products of `wide`."""
    what, target = f"products of a dense layer on {level}, one core, ÷ measured peak", f"≥ {PEAK_SHARE:.0%}"
    rust = result.get("rust", {})
    top = rust.get("roofline", {}).get(f"fma_gflops_{level}")
    kernels = rust.get("kernels", {})
    names = [f"{level}/{product}/ironhorn-1/{shape}" for product in PRODUCTS for shape in WIDE_SHAPES]
    shares = [kernels[name]["units_per_s"] / 1e9 / top[0] for name in names if name in kernels and top]
    if not shares:
        return missing("wide", what, target)
    return Row("wide", what, target, f"{min(shares):.0%} – {max(shares):.0%}", min(shares) >= PEAK_SHARE)


def ways(result: dict, job: str, peer: str, key: str, chosen) -> list[float]:
    """One figure a round: of the peer's best way, by the median over the rounds, among those `chosen` by name."""
    rounds = result.get("races", {}).get(job, {}).get("rounds", [])
    rounds = [r[peer]["ways"] for r in rounds if peer in r]
    names = [name for name in (rounds[0] if rounds else ()) if chosen(name)]
    if not names:
        return []
    best = (max if key == "rows_per_s" else min)(names, key=lambda n: statistics.median(r[n][key] for r in rounds))
    return [r[best][key] for r in rounds]


def is_narrow(name: str) -> bool:
    return name.endswith(NARROW)


def is_exact_predictor(name: str) -> bool:
    return name.startswith("predictor") and not is_narrow(name)


def predicting(result: dict, chosen, title: str, key: str, bound: float) -> Row:
    """The mnist network against onnxruntime's best way in float32: p50 of one row, or rows a second of 10,000."""
    one = key == "p50_us"
    job, target = ("one row, mnist net", f"≤ {bound:g}×") if one else ("10,000 rows", f"≥ {bound:g}×")
    what = f"{title} ÷ onnxruntime's best"
    own = ways(result, "predict", "ironhorn", key, chosen)
    other = ways(result, "predict", "onnxruntime", key, lambda name: not is_narrow(name))
    if not own or not other:
        return missing(job, what, target)
    ratio = report.paired(own, other)
    absolute = f"{statistics.median(own):.3g} µs" if one else f"{statistics.median(own) / 1e6:.3g} M rows/s"
    met = ratio["median"] <= bound if one else ratio["median"] >= bound
    return Row(job, what, target, f"{times(ratio)}; {absolute}", met)


def small_row(result: dict) -> list[Row]:
    job, rows = "one row, small net", []
    own = ways(result, "predict-small", "ironhorn", "p50_us", lambda name: not is_narrow(name))
    if own:
        micro = statistics.median(own)
        rows.append(Row(job, "from Python", "≤ 1 µs", f"{micro:.3g} µs", micro <= 1))
    else:
        rows.append(missing(job, "from Python", "≤ 1 µs"))
    latency = result.get("rust", {}).get("latency", {})
    nano = [figures["mean_ns"] for name, figures in latency.items() if name.startswith("small")]
    if nano:
        rows.append(Row(job, "from Rust", "≤ 150 ns", f"{min(nano):,.0f} ns", min(nano) <= 150))
    else:
        rows.append(missing(job, "from Rust", "≤ 150 ns"))
    return rows


def imports(result: dict) -> list[Row]:
    rows = []
    found = result.get("imports", [])
    for key, factor, unit, bound in (("seconds", 1000, "ms", 60), ("mib", 1, "MiB resident above NumPy", 15)):
        if not found:
            rows.append(missing("import", unit, f"≤ {bound}"))
            continue
        values = [each[key] * factor for each in found]
        low, high, _ = report.interval(values)
        middle = statistics.median(values)
        rows.append(Row("import", unit, f"≤ {bound}", f"{middle:.3g} ({low:.3g}–{high:.3g})", middle <= bound))
    rounds = result.get("races", {}).get("small", {}).get("rounds", [])
    first = [r["ironhorn"] for r in rounds if "ironhorn" in r]
    what, target = "import + build + first epoch of small", "≤ 0.3 s"
    if not first:
        return [*rows, missing("import", what, target)]
    seconds = statistics.median(r["import_s"] + r["build_s"] + r["first_epoch_s"] for r in first)
    return [*rows, Row("import", what, target, f"{seconds:.2g} s", seconds <= 0.3)]


def memory(result: dict) -> Row:
    what, target = "resident at the peak of fit above the arrays, ÷ x", "≤ 5 %"
    if not (found := result.get("memory")):
        return missing("memory", what, target)
    most = max(found["above_mib"].values()) / found["x_mib"]
    return Row("memory", what, target, f"{most:.1%} of {found['x_mib']:.0f} MiB", most <= 0.05)


def threads(result: dict) -> list[Row]:
    """A job is slower on all threads when the whole interval says so."""
    rows = []
    for job in TRAINING:
        what = f"{job}: time on 1 thread ÷ on all"
        least = 1.7 if job == "wide" else 1.0
        summary = races(result, job)
        if "ironhorn-1-thread" not in summary or "ironhorn" not in summary:
            rows.append(missing("threads", what, f"≥ {least:g}×"))
            continue
        ratio = summary["ironhorn-1-thread"]["ratio"]["us_per_step"]
        cpu = [report.number(summary[peer]["cpu_us_per_step"]) for peer in ("ironhorn-1-thread", "ironhorn")]
        met = ratio["median"] >= least if least > 1 else ratio["high"] >= 1
        text = f"{times(ratio)}; CPU {cpu[0]} → {cpu[1]} µs a step"
        rows.append(Row("threads", what, f"≥ {least:g}×", text, met))
    return rows


def growth(result: dict) -> list[Row]:
    rows, found = [], result.get("growth", {})
    for kind, title in (("batch", "batch 1…4096"), ("width", "width 16…4096"), ("rows", "rows 10³…10⁷, memory-mapped")):
        if kind not in found:
            rows.append(missing("growth", title, "no step > 1.5×"))
            continue
        points = found[kind]
        each = {what: report.cliffs(points, what) for what in ("fit", "predict") if what in points[0]}
        steps = [f"{what} {a:,} → {b:,}: {share:.2g}×" for what, several in each.items() for a, b, share in several]
        rows.append(Row("growth", title, "no step > 1.5×", "; ".join(steps) or "none", not steps))
    return rows


def rows(result: dict) -> list[Row]:
    def any_f32(name: str) -> bool:
        return not is_narrow(name)

    return [
        ahead(result, "mnist", "jax", 3.5, "JAX tuned"),
        ahead(result, "mnist", "torch", 10, "PyTorch eager"),
        ahead(result, "mnist", "keras-jax", 5, "Keras on JAX, tuned"),
        ahead(result, "mnist", "keras-tf-defaults", 30, "Keras on TensorFlow, defaults"),
        ahead(result, "mnist", "keras-tf", 30, "Keras on TensorFlow, tuned"),
        ahead(result, "small", "jax", 2.5, "JAX tuned"),
        ahead(result, "small", "torch", 30, "PyTorch eager"),
        wide(result),
        peak(result, "avx512"),
        peak(result, "avx2"),
        ahead(result, "line", "jax", 1, "JAX tuned"),
        predicting(result, is_exact_predictor, "predictor, f32", "p50_us", 0.7),
        predicting(result, lambda n: n.endswith(("bf16", "f16")), "predictor, 16-bit", "p50_us", 0.5),
        predicting(result, lambda n: n == "model.predict", "model.predict", "p50_us", 1.5),
        *small_row(result),
        predicting(result, any_f32, "best in f32", "rows_per_s", 1),
        predicting(result, is_narrow, "best narrow", "rows_per_s", 1.7),
        *imports(result),
        memory(result),
        *threads(result),
        *growth(result),
    ]


def table(result: dict) -> str:
    signs = {True: "met", False: "**missed**", None: "–"}
    lines = [[r.job, r.what, r.target, r.measured, signs[r.met]] for r in rows(result)]
    head = ["job", "", "target", "measured", ""]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * 5, *lines])
