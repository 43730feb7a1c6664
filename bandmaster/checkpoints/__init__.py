"""Where evaluations leave their states. fsspec is imported for stores that are no directory."""

from bandmaster.checkpoints.base import CheckpointStore, ManagedStore, Stored
from bandmaster.checkpoints.keep import Keep, keep_of
from bandmaster.checkpoints.ledger import Ledger
from bandmaster.checkpoints.local import DirectoryStore
from bandmaster.checkpoints.opening import open_store, store_url
from bandmaster.checkpoints.stored import StoredCheckpoints
from bandmaster.checkpoints.temporary import temporary_place

__all__ = [
    "CheckpointStore",
    "DirectoryStore",
    "Keep",
    "Ledger",
    "ManagedStore",
    "Stored",
    "StoredCheckpoints",
    "keep_of",
    "open_store",
    "store_url",
    "temporary_place",
]
