"""Drawings of results as SVG text: points with spreads, and lines; the same figures give the same text."""

import math
from html import escape
from typing import NamedTuple

COLOURS = ("#1f6fb4", "#d1495b", "#2e8b57", "#b8860b", "#7b4fa3", "#3aa6a6", "#c2660c", "#5c6b73", "#a83279", "#6b8e23")
WIDTH, HEIGHT, KEY = 560, 360, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 46
TICKS = 6
NEAR = (90, 11)
"""Pixels across and down within which two printed names would touch."""


class Point(NamedTuple):
    """A place with the ``spread`` of its y, the ``name`` that a reader's pointer shows, and whether it is printed too."""

    x: float
    y: float
    spread: float | None
    name: str
    named: bool = False


class Axis:
    """Values of one direction to pixels from ``start`` to ``end``, linear or logarithmic."""

    def __init__(self, values, start, end, log=False):
        self.log, self.start, self.end = log, start, end
        low, high = min(values), max(values)
        if log:
            low, high = low / 1.25, high * 1.25
        else:
            room = 0.06 * (high - low) or 1.0
            low, high = low - room, high + room
        self.low, self.high = low, high

    def place(self, value):
        """Pixel of ``value``."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self):
        """Round values inside: of 1, 2 and 5 (3 and 7 too where the logarithm's range is short)."""
        if self.log:
            fine = self.high / self.low < 12
            steps = (1, 1.5, 2, 3, 4, 5, 7) if fine else (1, 2, 5)
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [step * 10.0**decade for decade in decades for step in steps]
        else:
            raw = (self.high - self.low) / TICKS
            unit = 10.0 ** math.floor(math.log10(raw))
            step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
            first = math.ceil(self.low / step)
            found = [step * n for n in range(first, math.floor(self.high / step) + 1)]
        return [value for value in found if self.low <= value <= self.high]


class Drawing:
    """Axes, then what is added to them; ``text`` is the file."""

    def __init__(self, x, y, x_label, y_label, x_names=None):
        self.x, self.y, self.keys, self.names = x, y, [], []
        self.parts = [f'<rect width="{WIDTH + KEY}" height="{HEIGHT}" fill="#ffffff"/>']
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value in y.ticks():
            at = _number(y.place(value))
            self.parts.append(f'<path d="M{LEFT} {at}H{right}" stroke="#e6e6e6"/>')
            self._text(LEFT - 6, y.place(value) + 3.5, f"{value:g}", "end")
        names = dict(enumerate(x_names)) if x_names else {value: f"{value:,g}" for value in x.ticks()}
        for value, name in names.items():
            at = _number(x.place(value))
            self.parts.append(f'<path d="M{at} {bottom}v4" stroke="#555555"/>')
            self._text(x.place(value), bottom + 16, name, "middle")
        self.parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#555555"/>')
        self._text((LEFT + right) / 2, HEIGHT - 8, x_label, "middle")
        middle = _number((TOP + bottom) / 2)
        self.parts.append(
            f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
        )

    def points(self, points, label):
        """Dots with their spreads, in a colour of their own."""
        colour = self._colour(label)
        for point in points:
            x, y = self.x.place(point.x), self.y.place(point.y)
            if point.spread:
                up, down = self.y.place(point.y + point.spread), self.y.place(point.y - point.spread)
                path = f"M{_number(x)} {_number(up)}V{_number(down)}"
                self.parts.append(f'<path d="{path}" stroke="{colour}" stroke-opacity="0.5"/>')
            self.parts.append(
                f'<circle cx="{_number(x)}" cy="{_number(y)}" r="3.6" fill="{colour}" fill-opacity="0.8">'
                f"<title>{escape(point.name)}</title></circle>"
            )
            if point.named:
                self._name(x + 6, y - 5, point.name)

    def _name(self, x, y, name):
        """Print ``name`` at a place, or below the names that are there."""
        while any(abs(x - other) < NEAR[0] and abs(y - down) < NEAR[1] for other, down in self.names):
            y += NEAR[1]
        self.names.append((x, y))
        self._text(x, y, name, "start")

    def line(self, places, label):
        """A line through ``places`` [(x, y), ...]."""
        colour = self._colour(label)
        steps = "L".join(f"{_number(self.x.place(x))} {_number(self.y.place(y))}" for x, y in places)
        self.parts.append(f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-width="1.8"/>')

    def _colour(self, label):
        colour = COLOURS[len(self.keys) % len(COLOURS)]
        at = TOP + 8 + 17 * len(self.keys)
        self.keys.append(label)
        self.parts.append(f'<rect x="{WIDTH + 6}" y="{at - 8}" width="10" height="10" fill="{colour}"/>')
        self._text(WIDTH + 22, at + 1, label, "start")
        return colour

    def _text(self, x, y, text, anchor):
        self.parts.append(
            f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}">{escape(str(text))}</text>'
        )

    def text(self):
        """The SVG file."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + KEY} {HEIGHT}" '
        style = 'font-family="sans-serif" font-size="11" fill="#333333">'
        return "\n".join([head + style, *self.parts, "</svg>"]) + "\n"


def _number(value):
    return f"{value:.1f}"


def scatter(groups, x_label, y_label):
    """Points by group {label: [``Point``, ...]} over a logarithmic x; the best of the cheapest are named."""
    every = [point for points in groups.values() for point in points]
    front = {point for point in every if not any(_beats(other, point) for other in every)}
    reach = [point.y + sign * (point.spread or 0) for point in every for sign in (-1, 1)]
    x = Axis([point.x for point in every], LEFT, WIDTH - RIGHT, log=True)
    drawing = Drawing(x, Axis(reach, HEIGHT - BOTTOM, TOP), x_label, y_label)
    for label, points in groups.items():
        drawing.points([point._replace(named=point in front) for point in points], label)
    return drawing.text()


def _beats(other, point):
    return other.x <= point.x and other.y >= point.y and (other.x, other.y) != (point.x, point.y)


def lines(series, x_label, y_label, x_names=None):
    """Lines {label: [(x, y), ...]}; with ``x_names`` x counts them from 0."""
    places = [place for line in series.values() for place in line]
    x = Axis([x for x, _ in places], LEFT, WIDTH - RIGHT)
    drawing = Drawing(x, Axis([y for _, y in places], HEIGHT - BOTTOM, TOP), x_label, y_label, x_names)
    for label, line in series.items():
        drawing.line(line, label)
    return drawing.text()
