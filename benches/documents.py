"""Writes the figures of a run into README.md and docs/benchmarks.md, between marks, and the plots beside them."""

import statistics
from pathlib import Path

import plots
import real
import report
import targets

PLACE = Path("docs") / "benchmarks"


def between(text: str, name: str, new: str) -> str:
    """The text with what stands between the marks of this name replaced."""
    begin, end = f"<!-- {name}: written by make bench -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no marks for {name!r}")
    return f"{before}{begin}\n{new}\n\n{end}{after}"


def machine(result: dict) -> str:
    m = result["machine"]
    kind = "short rounds (`--quick`)" if result.get("quick") else "full rounds"
    noise = f"{result.get('foreign_cores', 0):.2f} cores on average, {result.get('foreign_most', 0):.2f} at worst"
    return (
        f"{m['cpu']} (family/model/stepping {m['family_model']}), {m['cores']} cores, {m['memory_gib']} GiB, "
        f"{' '.join(m['isa'])}; {m['system']}; {result['started'][:10]}; commit {result['commit']}; {kind}. "
        f"Other programs took meanwhile: {noise}."
    )


def roofline(result: dict) -> str:
    found = result.get("rust", {}).get("roofline", {})
    rows = []
    for key, value in found.items():
        if key == "cores":
            continue
        kind, unit, place = key.split("_")
        title = f"multiply-add, {place}" if kind == "fma" else f"read, {place.upper()}"
        shown = [f"{rate:,.0f}" for rate in value]
        rows.append([title, {"gflops": "GFLOP/s", "gbs": "GB/s"}[unit], shown[0], shown[-1]])
    return report.table(["", "unit", "one core", "all at once"], rows)


def kernels(result: dict) -> str:
    """Products in GFLOP/s and, of ours on one core, the share of the peak."""
    rust, rows = result.get("rust", {}), []
    cores = rust.get("roofline", {}).get("cores", 1)
    names = ("ironhorn-1", "gemm-1", "matrixmultiply-1", f"ironhorn-{cores}", f"gemm-{cores}")
    levels = ("avx512", "avx2", "portable")
    for level in levels:
        top = rust.get("roofline", {}).get(f"fma_gflops_{level}", [0])[0]
        for product in targets.PRODUCTS:
            group = {n: f for n, f in rust.get("kernels", {}).items() if n.startswith(f"{level}/{product}/")}
            shapes = list(dict.fromkeys(sorted(n.rsplit("/")[-1] for n in group)))
            for shape in shapes:
                who = {n.split("/")[2]: f["units_per_s"] / 1e9 for n, f in group.items() if n.endswith(f"/{shape}")}
                share = f"{who['ironhorn-1'] / top:.0%}" if top and "ironhorn-1" in who else "–"
                shown = [f"{who[name]:,.0f}" if name in who else "–" for name in names]
                rows.append([f"{level}: {product}, {shape}", shown[0], share, *shown[1:]])
    head = [
        "product, shape",
        "Ironhorn",
        "÷ peak",
        "gemm",
        "matrixmultiply",
        f"Ironhorn, {cores} cores",
        f"gemm, {cores} cores",
    ]
    return report.table(head, rows)


def others(result: dict) -> str:
    """Everything else that criterion timed."""
    rows = []
    for name, figures in sorted(result.get("rust", {}).get("kernels", {}).items()):
        if "/activation/" in name or "/update/" in name:
            rows.append([name, f"{1e9 / figures['units_per_s']:.3g} ns a number"])
        elif name.startswith("pool/"):
            rows.append([name, f"{figures['seconds'] * 1e9:,.0f} ns"])
    return report.table(["kernel, one core", ""], rows)


def growth(result: dict) -> str:
    tables = []
    for kind, points in (result.get("growth") or {}).items():
        rows = []
        flagged = {(what, to): share for what in ("fit", "predict") for _, to, share in cliffs_of(points, what)}
        for point in points:
            row = [f"{point['size']:,}"]
            for what in ("fit", "predict"):
                if what in point:
                    mark = f" **{flagged[what, point['size']]:.2g}×**" if (what, point["size"]) in flagged else ""
                    row.append(f"{report.number(point[what] * 1e6)}{mark}")
            rows.append(row)
        unit = {"batch": "µs a batch", "width": "µs a batch of 32", "rows": "µs an epoch"}[kind]
        head = [kind, *(f"{what}, {unit}" for what in ("fit", "predict") if what in points[0])]
        tables.append(report.table(head, rows))
    return "\n\n".join(tables)


def cliffs_of(points: list[dict], what: str) -> list[tuple[int, int, float]]:
    return report.cliffs(points, what) if what in points[0] else []


def memory(result: dict) -> str:
    found = result.get("memory") or {"above_mib": {}, "x_mib": 1}
    rows = [[name, f"{mib:.1f}", f"{mib / found['x_mib']:.1%}"] for name, mib in found["above_mib"].items()]
    return report.table([f"x of {found['x_mib']:.0f} MiB", "MiB above the arrays, at the peak", "÷ x"], rows)


def races(result: dict) -> str:
    lines = []
    for name, race in result["races"].items():
        making = report.predicting_table if name.startswith("predict") else report.training_table
        lines += [f"### {name}, {len(race['rounds'])} rounds", "", making(race), ""]
        lines += [*(f"- {note}" for note in race["notes"]), ""]
    if result["races"]:
        lines += ["### Starting", "", report.imports_table(result["races"])]
    return "\n".join([*lines, "", *(f"- **{problem}**" for problem in result.get("problems", []))]).rstrip()


def seconds_of(result: dict) -> str:
    """Medians of the raced epochs, for those who want absolute numbers."""
    found = {
        name: statistics.median(r["ironhorn"]["us_per_step"] for r in race["rounds"] if "ironhorn" in r)
        for name, race in result["races"].items()
        if not name.startswith("predict")
    }
    return ", ".join(f"`{name}` {report.number(value)}" for name, value in found.items())


def write(result: dict, root: Path) -> None:
    """Rewrites the marked parts of both documents; draws the plots."""
    intro = f"{machine(result)} Ironhorn's µs a training step: {seconds_of(result)}."
    table = targets.table(result)
    sections = {
        "targets": f"{intro}\n\n{table}",
        "races": races(result),
        "real": real.table(result.get("real", {})),
        "growth": growth(result),
        "memory": memory(result),
        "roofline": roofline(result),
        "products": kernels(result),
        "kernels": others(result),
    }
    page = root / "docs" / "benchmarks.md"
    text = page.read_text()
    for name, new in sections.items():
        text = between(text, name, new)
    page.write_text(text)
    readme = root / "README.md"
    readme.write_text(between(readme.read_text(), "targets", sections["targets"]))
    if result["races"]:
        plots.races(result, root / PLACE / "races.svg")
    if result.get("growth"):
        plots.growth(result, root / PLACE / "growth.svg")
