"""Writes schema-1.db: the tables as the first prototype made them, which was never released.

    python tests/golden/storage/make_schema_1.py tests/golden/storage/schema-1.db

Plain events, no checksums, no positions. Kept so that the migration has something to migrate.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

EVENTS = Path(__file__).with_name("events.json")
TABLES = """
PRAGMA page_size = 512;
PRAGMA journal_mode = WAL;
CREATE TABLE bandmaster_schema (version INTEGER NOT NULL, identity VARCHAR(32) NOT NULL);
CREATE TABLE bandmaster_studies (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(200) NOT NULL,
    created FLOAT NOT NULL, fence BIGINT NOT NULL, holder TEXT, lease_until FLOAT NOT NULL,
    UNIQUE (name));
CREATE TABLE bandmaster_events (
    study_id INTEGER NOT NULL, seq BIGINT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (study_id, seq)) WITHOUT ROWID;
INSERT INTO bandmaster_schema VALUES (1, '00112233445566778899aabbccddeeff');
INSERT INTO bandmaster_studies VALUES (1, 'golden', 1.0, 3, NULL, 0.0);
INSERT INTO bandmaster_studies VALUES (2, 'empty', 2.0, 1, NULL, 0.0);
"""


def main() -> None:
    """Write the file."""
    rows = json.loads(EVENTS.read_text())
    with closing(sqlite3.connect(sys.argv[1])) as connection:
        connection.executescript(TABLES)
        connection.executemany(
            "INSERT INTO bandmaster_events VALUES (1, ?, ?)",
            [(seq, bytes.fromhex(row)) for seq, row in enumerate(rows)],
        )
        connection.commit()


if __name__ == "__main__":
    main()
