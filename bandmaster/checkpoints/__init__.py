"""Where evaluations leave their states. fsspec is imported for stores that are no directory."""

from bandmaster.checkpoints.archive import Header
from bandmaster.checkpoints.base import CheckpointStore, ManagedStore, Stored
from bandmaster.checkpoints.drafts import Draft
from bandmaster.checkpoints.keep import Keep, keep_of
from bandmaster.checkpoints.ledger import Ledger
from bandmaster.checkpoints.local import DirectoryStore
from bandmaster.checkpoints.names import check_name, digest_in
from bandmaster.checkpoints.opening import open_store, store_url
from bandmaster.checkpoints.stored import StoredCheckpoints, load_checkpoint
from bandmaster.checkpoints.temporary import Scratch, temporary_place

__all__ = [
    "CheckpointStore",
    "DirectoryStore",
    "Draft",
    "Header",
    "Keep",
    "Ledger",
    "ManagedStore",
    "Scratch",
    "Stored",
    "StoredCheckpoints",
    "check_name",
    "digest_in",
    "keep_of",
    "load_checkpoint",
    "open_store",
    "store_url",
    "temporary_place",
]
