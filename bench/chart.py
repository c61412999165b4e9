#!/usr/bin/env python3
"""Draws what bench/compare.py measured: each engine's speed as a multiple of ONNX Runtime's.

    python bench/chart.py docs/performance.json docs/performance.svg
"""
import html
import json
import math
import pathlib
import sys

BASE = "ort"  # the engine whose speed is 1
ENGINES = {"corten": ("Corten", "#1f6fb5"), "ort": ("ONNX Runtime", "#9a9a9a"),
           "openvino": ("OpenVINO", "#d9a441"), "torch": ("PyTorch", "#b5543f")}
LEFT, WIDTH, BAR, GAP = 170, 860, 11, 9
SCALE = 420  # pixels from 0 to the longest bar


def text(x, y, content, anchor="start", weight="normal", size=13):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}">{html.escape(content)}</text>')


def mean_row(rows, engines):
    """The geometric mean of the speeds as a row like the others."""
    def mean(key):
        return math.exp(sum(math.log(r[key]["median"] / r[BASE]["median"]) for r in rows) /
                        len(rows))
    return {"model": "geometric mean", **{key: {"median": mean(key)} for key in engines}}


def panel(rows, engines, top, longest):
    """The bars of one number of threads, and the height they take."""
    threads = rows[0]["threads"]
    parts = [text(LEFT, top + 16, f"{threads} thread{'s' if threads > 1 else ''}", weight="bold")]
    y, pixels = top + 28, SCALE / longest
    for row in rows + [mean_row(rows, engines)]:
        middle = y + BAR * len(engines) / 2 + 5
        weight = "bold" if row["model"] == "geometric mean" else "normal"
        parts.append(text(LEFT - 10, middle, row["model"], "end", weight))
        for key in engines:
            speed = row[BASE]["median"] / row[key]["median"]
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{speed * pixels:.1f}" '
                         f'height="{BAR - 1}" fill="{ENGINES[key][1]}"/>')
            shown = f"{speed:.2f} ×"
            if row["model"] != "geometric mean":
                shown += f" ({row[key]['median']:.4g} ms)"
            parts.append(text(LEFT + speed * pixels + 6, y + BAR - 1.5, shown, size=10))
            y += BAR
        y += GAP
    x = LEFT + pixels
    parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 22}" y2="{y}" stroke="#555" '
                 'stroke-dasharray="3 3"/>')
    return parts, y + 12 - top


def draw(measured):
    """The chart as the text of an SVG; `measured` is what compare.py writes as JSON."""
    rows = [r for r in measured["rows"] if BASE in r]
    engines = [key for key in ENGINES if all(key in r for r in rows)]
    longest = max(r[BASE]["median"] / r[key]["median"] for r in rows for key in engines)
    parts = [text(LEFT, 22, "Speed as a multiple of ONNX Runtime's, f32, batch 1 (longer is better)",
                  weight="bold", size=15)]
    x = LEFT
    for key in engines:
        name, color = ENGINES[key]
        parts.append(f'<rect x="{x}" y="34" width="12" height="12" fill="{color}"/>')
        parts.append(text(x + 18, 45, name))
        x += 40 + 8 * len(name)
    top = 58
    for threads in sorted({r["threads"] for r in rows}):
        bars, height = panel([r for r in rows if r["threads"] == threads], engines, top, longest)
        parts += bars
        top += height
    parts.append(text(LEFT, top + 10, measured.get("machine", ""), size=11))
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 24:.0f}" '
            'font-family="system-ui, sans-serif" fill="#222">\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(pathlib.Path, sys.argv[1:])
    target.write_text(draw(json.loads(source.read_text())))


if __name__ == "__main__":
    main()
