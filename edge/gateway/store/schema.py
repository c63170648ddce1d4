"""The tables of the SQLite store. The body is the source of every event; its row is what queries select and sum by."""

APPLICATION_ID = 0x53594E31
"""'SYN1' in the file's header: a database of somebody else is never written to."""
VERSION = 1

SCHEMA = """
CREATE TABLE vertices (
    place INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    author INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    hlc_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    header BLOB NOT NULL,
    signature BLOB,
    body BLOB
);
CREATE INDEX vertices_by_key ON vertices (author, incarnation, seq);
CREATE TABLE events (
    place INTEGER PRIMARY KEY,
    vertex INTEGER NOT NULL REFERENCES vertices (place),
    idx INTEGER NOT NULL,
    author INTEGER NOT NULL,
    agent TEXT NOT NULL,
    kind TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    value,
    confidence REAL
);
CREATE INDEX events_by_time ON events (time_ms);
CREATE INDEX events_by_author ON events (author, time_ms);
CREATE INDEX events_by_agent ON events (agent, time_ms);
CREATE INDEX events_by_kind ON events (kind, time_ms);
CREATE TABLE heads (
    author INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation)
) WITHOUT ROWID;
CREATE TABLE totals (vertices INTEGER NOT NULL, events INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
"""
