"""Draws what a listing costs as an SVG: chart.py target/pipeline.json docs/pipeline.svg"""

import json
import sys
from html import escape

WIDTH, BAR, GAP, LEFT, TOP = 760, 24, 12, 190, 64
COLOURS = {"consume": "#9aa5b1", "pass_through": "#9aa5b1", "at_least_once": "#2f7ebc",
           "exactly_once": "#1b4f8a"}
PEER = "#d08a2e"


def bar(y, name, value, longest, colour, note):
    width = max(1.0, (WIDTH - LEFT - 190) * value / longest)
    middle = y + BAR * 0.68
    return (
        f'<text x="{LEFT - 10}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{LEFT + width + 8:.1f}" y="{middle:.1f}">{value:.1f} {escape(note)}</text>'
    )


def draw(report):
    services = report["services"] + report.get("peers", [])
    longest = max(service["cpu_us_per_event"] for service in services)
    rows = []
    for index, service in enumerate(services):
        y = TOP + index * (BAR + GAP)
        note = f"({service['ratio']:.1f} x pass-through)" if "ratio" in service else ""
        colour = COLOURS.get(service["service"], PEER)
        rows.append(bar(y, service["name"], service["cpu_us_per_event"], longest, colour, note))
    height = TOP + len(services) * (BAR + GAP) + 16
    title = "CPU microseconds a listing, user and system, of the service's process"
    under = (f"{report['listings']:,} listings, medians of {report['repetitions']} runs, "
             f"{report['processors']} x {report['processor']}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="16" y="24" font-size="16">{escape(title)}</text>'
        f'<text x="16" y="44" fill="#555">{escape(under)}</text>' + "".join(rows) + "</svg>\n"
    )


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        report = json.load(file)
    with open(target, "w", encoding="utf-8") as file:
        file.write(draw(report))


if __name__ == "__main__":
    main()
