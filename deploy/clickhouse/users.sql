-- Users of ClickHouse with the least that they need, for a server of your own; run
-- it once as an administrator, after "vigil migrate up":
--   clickhouse-client --secure --multiquery <users.sql
--
-- Everybody shows a certificate, so there is no password in this file. Where you
-- prefer one: ALTER USER vigil_writer ADD IDENTIFIED WITH sha256_password BY '…'.
-- The server takes certificates on tcp_port_secure with openSSL.server
-- verificationMode relaxed (or strict) and your authority in caConfig.

-- Analyzers (store.username, with store.migrate: false): append rows, and look at
-- nothing but what incidents and snapshots are made of. Without the second role all is
-- stored and no incident is made; without the third no snapshot is archived, so that an
-- analyzer whose disk is lost begins with what Kafka retains.
CREATE ROLE IF NOT EXISTS vigil_writer_role;
GRANT INSERT ON vigil.* TO vigil_writer_role;
CREATE ROLE IF NOT EXISTS vigil_incidents_role;
GRANT SELECT ON vigil.requests TO vigil_incidents_role;
GRANT SELECT ON vigil.sessions TO vigil_incidents_role;
GRANT SELECT ON vigil.verdicts TO vigil_incidents_role;
GRANT SELECT ON vigil.assessments TO vigil_incidents_role;
GRANT SELECT ON vigil.evidence TO vigil_incidents_role;
GRANT SELECT ON vigil.incident_findings TO vigil_incidents_role;
GRANT SELECT ON vigil.incident_words TO vigil_incidents_role;
-- Snapshots are read when a partition comes without one, and older ones make room:
-- ALTER DELETE is what DROP PARTITION takes, of this table alone.
CREATE ROLE IF NOT EXISTS vigil_archive_role;
GRANT SELECT, ALTER DELETE ON vigil.snapshots TO vigil_archive_role;
CREATE USER IF NOT EXISTS vigil_writer IDENTIFIED WITH ssl_certificate CN 'vigil-writer' DEFAULT ROLE vigil_writer_role, vigil_incidents_role, vigil_archive_role;
GRANT vigil_writer_role, vigil_incidents_role, vigil_archive_role TO vigil_writer;

-- People who answer for incidents ("vigil incidents", "vigil label"): read, and say.
CREATE ROLE IF NOT EXISTS vigil_responder_role;
GRANT SELECT ON vigil.* TO vigil_responder_role;
GRANT INSERT ON vigil.incident_words TO vigil_responder_role;
GRANT INSERT ON vigil.labels TO vigil_responder_role;
CREATE USER IF NOT EXISTS vigil_responder IDENTIFIED WITH ssl_certificate CN 'vigil-responder' DEFAULT ROLE vigil_responder_role;
GRANT vigil_responder_role TO vigil_responder;

-- "vigil migrate" and "vigil dead retry": makes and changes tables, stores what
-- could not be read before, and is not around otherwise. Views
-- write as their maker (SQL SECURITY DEFINER is the server's default), so that the
-- writer needs nothing but INSERT.
CREATE ROLE IF NOT EXISTS vigil_migrator_role;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, ALTER, SELECT, INSERT ON vigil.* TO vigil_migrator_role;
GRANT SELECT ON system.columns TO vigil_migrator_role;
GRANT SELECT ON system.tables TO vigil_migrator_role;
-- For "vigil migrate up --cluster", with these users on every node.
GRANT CLUSTER ON *.* TO vigil_migrator_role;
CREATE USER IF NOT EXISTS vigil_migrator IDENTIFIED WITH ssl_certificate CN 'vigil-migrator' DEFAULT ROLE vigil_migrator_role;
GRANT vigil_migrator_role TO vigil_migrator;

-- Analysts and "vigil query": read, and cannot take the server down with it. A
-- setting may be lowered, for instance a client's own deadline, never raised.
CREATE SETTINGS PROFILE IF NOT EXISTS vigil_analyst_profile SETTINGS
    readonly = 2 CONST,
    max_execution_time = 30 MIN 1 MAX 60,
    max_memory_usage = 4000000000 MAX 4000000000,
    max_rows_to_read = 2000000000 MAX 2000000000,
    max_result_rows = 1000000 MAX 1000000,
    max_threads = 4 MAX 4,
    allow_ddl = 0 CONST,
    allow_introspection_functions = 0 CONST;
CREATE ROLE IF NOT EXISTS vigil_analyst_role SETTINGS PROFILE 'vigil_analyst_profile';
GRANT SELECT ON vigil.* TO vigil_analyst_role;
CREATE USER IF NOT EXISTS vigil_analyst IDENTIFIED WITH ssl_certificate CN 'vigil-analyst' DEFAULT ROLE vigil_analyst_role;
GRANT vigil_analyst_role TO vigil_analyst;
CREATE QUOTA IF NOT EXISTS vigil_analyst_quota KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 2000, errors = 200, execution_time = 1800
    TO vigil_analyst_role;
