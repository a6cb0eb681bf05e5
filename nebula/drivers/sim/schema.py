"""The tables of a simulated world."""

from __future__ import annotations

TABLES = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts (
    name TEXT PRIMARY KEY, facts BLOB NOT NULL, findings BLOB NOT NULL, powered INTEGER NOT NULL, reachable INTEGER NOT NULL,
    connected INTEGER NOT NULL, libvirtd INTEGER NOT NULL, booted_at REAL NOT NULL, clock_skew REAL NOT NULL,
    departed_busy REAL NOT NULL, departed_read INTEGER NOT NULL, departed_written INTEGER NOT NULL,
    departed_received INTEGER NOT NULL, departed_sent INTEGER NOT NULL,
    sampled_at REAL NOT NULL, sampled_raw REAL NOT NULL, sampled_busy REAL NOT NULL,
    sampled_pressure REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hardware (host TEXT PRIMARY KEY, hardware BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS domains (
    host TEXT NOT NULL, uuid TEXT NOT NULL, vm_id INTEGER, name TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    persistent INTEGER NOT NULL, incoming INTEGER NOT NULL, active INTEGER NOT NULL, vcpus INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL, profile TEXT NOT NULL, seed INTEGER NOT NULL, activity REAL NOT NULL, since REAL,
    spec BLOB, PRIMARY KEY (host, uuid));
CREATE INDEX IF NOT EXISTS domains_by_uuid ON domains (uuid);
CREATE INDEX IF NOT EXISTS domains_by_name ON domains (host, name);
CREATE TABLE IF NOT EXISTS snapshots (
    host TEXT NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (host, uuid, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (
    host TEXT NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (host, uuid, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backups (
    host TEXT NOT NULL, uuid TEXT NOT NULL, checkpoint TEXT NOT NULL, ends REAL NOT NULL, PRIMARY KEY (host, uuid))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mirrors (
    host TEXT NOT NULL, uuid TEXT NOT NULL, target TEXT NOT NULL, path TEXT NOT NULL, started REAL NOT NULL,
    duration REAL NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (host, uuid, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frozen (host TEXT NOT NULL, uuid TEXT NOT NULL, PRIMARY KEY (host, uuid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repository (
    id INTEGER PRIMARY KEY, datastore INTEGER NOT NULL, snapshot TEXT NOT NULL, uuid TEXT NOT NULL, tag TEXT NOT NULL,
    at INTEGER NOT NULL, files BLOB NOT NULL, damaged INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS guests (
    key TEXT PRIMARY KEY, profile TEXT NOT NULL, ignores_shutdown INTEGER NOT NULL, shutdown_seconds REAL NOT NULL,
    stops_after REAL NOT NULL, crashes_after REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guest_files (
    uuid TEXT NOT NULL, path TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (uuid, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guest_handles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL, path TEXT NOT NULL, mode TEXT NOT NULL,
    position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS guest_programs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL, ends REAL NOT NULL, status INTEGER NOT NULL, out BLOB NOT NULL,
    err BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    scope TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, datastore INTEGER, size INTEGER NOT NULL, format TEXT NOT NULL,
    virtual_size INTEGER NOT NULL, mode INTEGER NOT NULL, vm_id INTEGER, content TEXT NOT NULL, generation INTEGER NOT NULL,
    backing TEXT NOT NULL, head BLOB NOT NULL, PRIMARY KEY (scope, path));
CREATE INDEX IF NOT EXISTS files_by_vm ON files (vm_id, scope);
CREATE INDEX IF NOT EXISTS files_by_content ON files (content);
CREATE INDEX IF NOT EXISTS files_by_backing ON files (scope, backing) WHERE backing != '';
CREATE TABLE IF NOT EXISTS space (
    scope TEXT NOT NULL, datastore INTEGER NOT NULL, total INTEGER NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (scope, datastore)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS file_made AFTER INSERT ON files WHEN NEW.datastore IS NOT NULL BEGIN
    UPDATE space SET used = used + NEW.size WHERE scope = NEW.scope AND datastore = NEW.datastore; END;
CREATE TRIGGER IF NOT EXISTS file_gone AFTER DELETE ON files WHEN OLD.datastore IS NOT NULL BEGIN
    UPDATE space SET used = used - OLD.size WHERE scope = OLD.scope AND datastore = OLD.datastore; END;
CREATE TRIGGER IF NOT EXISTS file_resized AFTER UPDATE OF size ON files WHEN NEW.datastore IS NOT NULL BEGIN
    UPDATE space SET used = used + NEW.size - OLD.size WHERE scope = NEW.scope AND datastore = NEW.datastore; END;
CREATE TABLE IF NOT EXISTS written (content TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writers (
    scope TEXT NOT NULL, path TEXT NOT NULL, host TEXT NOT NULL, uuid TEXT NOT NULL,
    PRIMARY KEY (scope, path, host, uuid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS writers_by_domain ON writers (host, uuid);
CREATE TABLE IF NOT EXISTS copies (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, path TEXT NOT NULL, host TEXT NOT NULL, source_scope TEXT NOT NULL,
    source_path TEXT NOT NULL, job TEXT NOT NULL, vm_id INTEGER, started REAL NOT NULL, duration REAL NOT NULL,
    total INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL, words TEXT NOT NULL, content TEXT NOT NULL,
    virtual_size INTEGER NOT NULL, UNIQUE (scope, path));
CREATE TABLE IF NOT EXISTS bridges (
    host TEXT NOT NULL, name TEXT NOT NULL, owned INTEGER NOT NULL, PRIMARY KEY (host, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS taps (
    host TEXT NOT NULL, name TEXT NOT NULL, bridge TEXT NOT NULL, uuid TEXT NOT NULL, PRIMARY KEY (host, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS taps_by_domain ON taps (host, uuid);
CREATE INDEX IF NOT EXISTS taps_by_bridge ON taps (host, bridge);
CREATE TABLE IF NOT EXISTS filters (
    host TEXT NOT NULL, tap TEXT NOT NULL, filter BLOB NOT NULL, PRIMARY KEY (host, tap)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mounts (host TEXT NOT NULL, datastore INTEGER NOT NULL, PRIMARY KEY (host, datastore)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tunnels (
    host TEXT NOT NULL, bridge TEXT NOT NULL, peers TEXT NOT NULL, PRIMARY KEY (host, bridge)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS served (
    host TEXT NOT NULL, bridge TEXT NOT NULL, number INTEGER NOT NULL, leases BLOB NOT NULL,
    PRIMARY KEY (host, bridge)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS migrations (
    id INTEGER PRIMARY KEY, uuid TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, started REAL NOT NULL,
    duration REAL NOT NULL, total INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL, words TEXT NOT NULL,
    copied BLOB NOT NULL, spec BLOB);
CREATE INDEX IF NOT EXISTS migrations_by_uuid ON migrations (uuid);
CREATE TABLE IF NOT EXISTS timers (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, host TEXT NOT NULL, uuid TEXT NOT NULL, ref INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS timers_by_time ON timers (at);
CREATE INDEX IF NOT EXISTS timers_by_domain ON timers (host, uuid);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, operation TEXT NOT NULL, subject TEXT NOT NULL,
    kind TEXT NOT NULL, code TEXT NOT NULL, words TEXT NOT NULL, times INTEGER NOT NULL,
    after INTEGER NOT NULL, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS hanging (
    id INTEGER PRIMARY KEY, fault INTEGER NOT NULL, host TEXT NOT NULL, operation TEXT NOT NULL, subject TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS latencies (
    host TEXT NOT NULL, operation TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (host, operation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, uuid TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, host TEXT NOT NULL, operation TEXT NOT NULL, subject TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS violations (seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL);
"""
