from __future__ import annotations

import itertools

from mlzoo_multisk.draws import random_of


def test_every_place_has_a_stream_of_its_own_and_the_same_again():
    places = [p for n in (1, 2, 3) for p in itertools.product((0, 1, 5), repeat=n)]
    first = [tuple(random_of(*place).randint(2**31, size=4)) for place in places]
    assert len(set(first)) == len(places)
    assert first == [tuple(random_of(*place).randint(2**31, size=4)) for place in places]
