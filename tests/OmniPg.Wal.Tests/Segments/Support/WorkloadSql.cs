namespace OmniPg.Wal.Tests.Segments;

/// <summary>Statements that make every kind of record that the reader must understand, on every supported version.</summary>
internal static class WorkloadSql
{
    public static IReadOnlyList<string> Setup { get; } =
    [
        "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, note text)",
        "CREATE INDEX ON account USING hash (note)",
        "CREATE INDEX ON account USING brin (balance)",
        "CREATE TABLE document (id serial, body text, place point, words tsvector, span int4range)",
        "CREATE INDEX ON document USING gin (words)",
        "CREATE INDEX ON document USING gist (place)",
        "CREATE INDEX ON document USING spgist (span)",
        "CREATE TABLE wide (id serial, bytes bytea)",
        "ALTER TABLE wide ALTER COLUMN bytes SET STORAGE EXTERNAL",
        "INSERT INTO account SELECT i, i, md5(i::text) FROM generate_series(1, 8000) i",
    ];

    public static IReadOnlyList<string> Round(int round) =>
    [
        "CHECKPOINT",
        "UPDATE account SET balance = balance + 1 WHERE id % 7 = 0",
        "DELETE FROM account WHERE id % 97 = " + (round % 97),
        "INSERT INTO document (body, place, words, span) SELECT md5(i::text), point(i, -i), to_tsvector('simple', md5(i::text) || ' ' || md5((i+1)::text)), "
            + "int4range(i, i + 10) FROM generate_series(1, 400) i",
        "INSERT INTO wide (bytes) SELECT decode(repeat(md5(i::text), 2000), 'hex') FROM generate_series(1, 8) i",
        "DO $$ BEGIN FOR i IN 1..40 LOOP BEGIN INSERT INTO account VALUES (100000 + i, 0, 'sub'); IF i % 3 = 0 THEN RAISE EXCEPTION 'x'; END IF; "
            + "EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; DELETE FROM account WHERE id > 100000; END $$",
        $"SELECT pg_logical_emit_message(true, 'omnipg', repeat('x', {1500000 + (round * 100003)}))",
        $"SELECT pg_logical_emit_message(false, 'omnipg', repeat('y', {9000 + round}))",
        $"BEGIN; INSERT INTO account VALUES (200000 + {round}, 0, 'prepared'); SAVEPOINT a; INSERT INTO account VALUES (300000 + {round}, 0, 'prepared'); "
            + $"PREPARE TRANSACTION 'gid {round}'",
        round % 2 == 0 ? $"COMMIT PREPARED 'gid {round}'" : $"ROLLBACK PREPARED 'gid {round}'",
        "BEGIN; UPDATE account SET balance = 0 WHERE id < 50; ROLLBACK",
        "CREATE TABLE short_lived AS SELECT * FROM account WHERE id < 100",
        "DROP TABLE short_lived",
        "VACUUM account",
        "SELECT pg_switch_wal()",
    ];
}
