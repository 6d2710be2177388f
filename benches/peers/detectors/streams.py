"""The 200 streams that sequential detectors are compared on.

`model-core/tests/detectors/streams.rs` makes the same ones: only exact operations in the same
order, so that every bit is the same.
"""

import math

KINDS = ["abrupt", "gradual", "none", "heavy_tails", "constant", "ties", "short", "spread",
         "binary", "wave"]
STREAMS = 20
LENGTHS = [100, 150, 200, 300, 400, 500, 600, 800, 1_000, 1_000, 1_200, 1_500, 1_500, 2_000,
           2_000, 2_500, 3_000, 4_000, 6_000, 20_000]
MASK = 2**64 - 1


class Random:
    """SplitMix64 (Steele, Lea and Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def uniform(self):
        """Uniform from 0 to below 1."""
        return (self.next() >> 11) * (1.0 / 9_007_199_254_740_992.0)

    def normal(self):
        """Nearly normal: a sum of twelve."""
        total = -6.0
        for _ in range(12):
            total += self.uniform()
        return total


def stream(kind, number):
    """Stream `number` (0 to 19) of a kind (0 to 9)."""
    random = Random(1_000 * kind + number)
    name = KINDS[kind]
    length = 1 + 7 * number if name == "short" else LENGTHS[number]
    scale = [1.0, 0.01, 1_000.0][number % 3]
    shift = 0.25 + 3.0 * random.uniform()
    middle, third = length // 2, length // 3

    def value(i):
        late = number % 2 == 1 and i >= middle
        if name == "abrupt":
            level = 0.0 if i < third or i >= 2 * third else shift
            return scale * (level + random.normal())
        if name == "gradual":
            moved = min(max(i - third, 0), third)
            return scale * (shift * (moved / third) + random.normal())
        if name == "none":
            return scale * random.normal()
        if name == "heavy_tails":
            level = 5.0 * shift if late else 0.0
            size = random.normal()
            return scale * (level + size / (random.uniform() + 0.01))
        if name == "constant":
            return scale * (2.0 if late else 1.0)
        if name == "ties":
            return float(math.floor((6.0 if late else 4.0) * random.uniform()))
        if name == "short":
            return random.normal() + (2.0 if i > middle else 0.0)
        if name == "spread":
            return scale * random.normal() * (4.0 if late else 1.0)
        if name == "binary":
            return 1.0 if random.uniform() < (0.4 if late else 0.1) else 0.0
        return (i % 50) / 50.0 + 0.2 * random.normal()

    return [value(i) for i in range(length)]


def all_streams():
    """Names and numbers of all streams."""
    for kind, name in enumerate(KINDS):
        for number in range(STREAMS):
            yield f"{name}-{number}", stream(kind, number)
