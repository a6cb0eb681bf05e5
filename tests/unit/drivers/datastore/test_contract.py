from __future__ import annotations

import pytest

from tests.contract.datastore import DatastoreContract, DatastoreLab


class TestShared(DatastoreContract):
    @pytest.fixture
    def lab(self, shared_lab: DatastoreLab) -> DatastoreLab:
        return shared_lab


class TestSsh(DatastoreContract):
    @pytest.fixture
    def lab(self, ssh_lab: DatastoreLab) -> DatastoreLab:
        return ssh_lab


class TestSshReachedOverSsh(DatastoreContract):
    @pytest.fixture
    def lab(self, remote_lab: DatastoreLab) -> DatastoreLab:
        return remote_lab
