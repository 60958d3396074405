"""Shared by all tests: nobody's cache folder, shared data or network is touched unless a test asks."""

import numpy as np
import pytest

import onespike.data as data


@pytest.fixture
def rng(request):
    """A generator seeded by the test's own name, so that a failure replays by itself."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """No data set anywhere: neither in a folder, nor in a cache, nor on the network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ONESPIKE_DATA", raising=False)
    monkeypatch.setattr(data, "shared_folder", lambda: tmp_path / "nothing")
    monkeypatch.setattr(data, "CIFAR_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
