"""Shared by all tests: nobody's cache folder, shared data or network is touched unless a test asks."""

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    """A generator seeded by the test's own name, so that a failure replays by itself."""
    return np.random.default_rng(list(request.node.name.encode()))
