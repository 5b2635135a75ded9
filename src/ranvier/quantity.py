"""Numbers as people read them: three digits and a unit prefix."""


def count(number: float) -> str:
    """Return a number of things.

    >>> count(1234567), count(950)
    ('1.23 M', '950')
    """
    return _scaled(number, ((1e9, " G"), (1e6, " M"), (1e3, " k")), "")


def energy(picojoule: float) -> str:
    """Return an energy given in picojoule.

    >>> energy(17_900_000)
    '17.9 µJ'
    """
    return _scaled(picojoule, ((1e9, " mJ"), (1e6, " µJ"), (1e3, " nJ")), " pJ")


def seconds(number: float) -> str:
    """Return a time given in seconds.

    >>> seconds(0.00123), seconds(72.4), seconds(1302)
    ('1.23 ms', '72.4 s', '1,302 s')
    """
    return _scaled(number * 1e6, ((1e6, " s"), (1e3, " ms")), " µs")


def memory(number: float) -> str:
    """Return an amount of memory given in bytes.

    >>> memory(2_500_000)
    '2.5 MB'
    """
    return _scaled(number, ((1e9, " GB"), (1e6, " MB"), (1e3, " kB")), " B")


def _scaled(number: float, sizes: tuple[tuple[float, str], ...], plain: str) -> str:
    size, unit = next(((size, unit) for size, unit in sizes if number >= size), (1, plain))
    value = number / size
    # Three digits of a thousand or more would come out as 1e+03.
    return f"{value:,.0f}{unit}" if value >= 999.5 else f"{value:.3g}{unit}"
