"""Draws lines over time as an SVG file: one plot, a legend above it, marked moments.

Not here: what is measured (rss.py, limits_demo.py).
"""
import dataclasses
import html
import math

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, BOTTOM = 64, 18, 46
TITLE_Y, LEGEND_Y, LEGEND_LINE = 22, 44, 18
CHAR = 6.3  # width of a character at size 12, on average


@dataclasses.dataclass
class Line:
    """`style`: thick, solid, dashed, thin (visible on top of a thick one), or area (filled down to 0)."""
    name: str
    colour: str
    points: list  # of (x, y)
    style: str = "solid"


def ticks(most, wanted):
    """Round numbers from 0 to the first one that is not below `most`."""
    most = most if most > 0 else 1
    power = 10 ** math.floor(math.log10(most / wanted))
    step = next(power * f for f in (1, 2, 5, 10) if power * f * wanted >= most)
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]


def legend(lines):
    """The legend and the height it takes."""
    out, x, y = [], LEFT, LEGEND_Y
    for line in lines:
        needed = 34 + CHAR * len(line.name)
        if x > LEFT and x + needed > WIDTH - RIGHT:
            x, y = LEFT, y + LEGEND_LINE
        if line.style == "area":
            out.append(f'<rect x="{x}" y="{y - 10}" width="20" height="11" {paint(line)}/>')
        else:
            out.append(f'<path d="M{x} {y - 4}h20" {paint(line)}/>')
        out.append(f'<text x="{x + 26}" y="{y}">{html.escape(line.name)}</text>')
        x += needed + 14
    return out, y + 12


def paint(line):
    if line.style == "area":
        return f'fill="{line.colour}" stroke="none"'
    width = {"thick": "4", "solid": "2", "dashed": "1.8", "thin": "1.2"}[line.style]
    dash = ' stroke-dasharray="6 4"' if line.style == "dashed" else ""
    return f'fill="none" stroke="{line.colour}" stroke-width="{width}" stroke-linejoin="round"{dash}'


def draw(title, lines, x_label, y_label, marks=()):
    """`marks`: (x, text) of moments. Returns the text of the file."""
    points = [p for line in lines for p in line.points] or [(0, 0)]
    x_most = max(x for x, _ in points) or 1
    x_ticks = [t for t in ticks(x_most, 10) if t <= x_most * 1.001]
    y_ticks = ticks(max(y for _, y in points) * 1.04, 10)
    legend_out, top = legend(lines)
    top += 15 * min(len(marks), 2)  # rows for what is marked
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        return (LEFT + x / x_most * (right - LEFT), bottom - y / y_ticks[-1] * (bottom - top))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="{TITLE_Y}" font-size="14" font-weight="bold">'
           f'{html.escape(title)}</text>', *legend_out]
    for tick in y_ticks:
        y = place(0, tick)[1]
        out.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{"#e4e4e4" if tick else "#888"}"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        x = place(tick, 0)[0]
        out.append(f'<path d="M{x:.1f} {bottom}v5" stroke="#888"/>'
                   f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    out.append(f'<text x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">'
               f'{html.escape(x_label)}</text>'
               f'<text transform="translate(16 {(top + bottom) / 2:.1f}) rotate(-90)" '
               f'text-anchor="middle">{html.escape(y_label)}</text>')
    for line in sorted(lines, key=lambda line: line.style != "area"):
        if line.points:
            out.append(path(line, [place(x, y) for x, y in line.points], bottom))
    out += moments([(place(x, 0)[0], text) for x, text in sorted(marks)], top, bottom, right)
    return "\n".join([*out, "</svg>", ""])


def path(line, places, bottom):
    level = [round(y, 1) for _, y in places]
    inner = [p for i, p in enumerate(places)  # without those inside a level stretch
             if i in (0, len(places) - 1) or not level[i - 1] == level[i] == level[i + 1]]
    text = "L".join(f"{x:.1f} {y:.1f}" for x, y in inner)
    if line.style == "area":
        text = f"{places[0][0]:.1f} {bottom}L{text}L{places[-1][0]:.1f} {bottom}Z"
    return f'<path d="M{text}" {paint(line)}/>'


def moments(marks, top, bottom, right):
    """Texts take turns in two rows; one that would still run into another has none."""
    out, free = [], [0, 0]
    for i, (x, text) in enumerate(marks):
        row = i % 2
        at, anchor = (x, "start") if x + CHAR * len(text) <= right else (right, "end")
        begin = at if anchor == "start" else at - CHAR * len(text)
        fits = begin >= free[row]
        out.append(f'<path d="M{x:.1f} {top - 15 * row}V{bottom}" stroke="#777" '
                   'stroke-dasharray="2 3"/>')
        if fits:
            out.append(f'<text x="{at + (3 if anchor == "start" else 0):.1f}" '
                       f'y="{top - 4 - 15 * row}" text-anchor="{anchor}" fill="#555">'
                       f'{html.escape(text)}</text>')
            free[row] = begin + CHAR * len(text) + 8
    return out
