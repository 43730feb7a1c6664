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
from bandmaster.checkpoints.temporary import temporary_place
from bandmaster.checkpoints.trees import remove_tree

__all__ = [
    "CheckpointStore",
    "DirectoryStore",
    "Draft",
    "Header",
    "Keep",
    "Ledger",
    "ManagedStore",
    "Stored",
    "StoredCheckpoints",
    "check_name",
    "digest_in",
    "keep_of",
    "load_checkpoint",
    "open_store",
    "remove_tree",
    "store_url",
    "temporary_place",
]
