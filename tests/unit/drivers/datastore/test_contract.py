from __future__ import annotations

import pytest

from tests.contract.cuts import CutsContract
from tests.contract.datastore import DatastoreContract, DatastoreLab, LayersContract


class TestShared(DatastoreContract, LayersContract):
    @pytest.fixture
    def lab(self, shared_lab: DatastoreLab) -> DatastoreLab:
        return shared_lab


class TestSsh(DatastoreContract, LayersContract):
    @pytest.fixture
    def lab(self, ssh_lab: DatastoreLab) -> DatastoreLab:
        return ssh_lab


class TestSshReachedOverSsh(DatastoreContract, LayersContract):
    @pytest.fixture
    def lab(self, remote_lab: DatastoreLab) -> DatastoreLab:
        return remote_lab


class TestSharedCut(CutsContract):
    @pytest.fixture
    def lab(self, shared_lab: DatastoreLab) -> DatastoreLab:
        return shared_lab


class TestSshCut(CutsContract):
    @pytest.fixture
    def lab(self, ssh_lab: DatastoreLab) -> DatastoreLab:
        return ssh_lab
