using System.Buffers;
using System.Globalization;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>A transaction that sees what pg_dump sees, and reads rows sorted by primary key.</summary>
internal sealed class ReferenceSession : IAsyncDisposable
{
    private const int BufferChars = 32 * 1024;
    private readonly NpgsqlConnection _connection;

    private ReferenceSession(NpgsqlConnection connection, string snapshot, IReadOnlyList<Table> tables)
    {
        _connection = connection;
        Snapshot = snapshot;
        Tables = tables;
    }

    /// <summary>For <c>pg_dump --snapshot</c>; valid as long as this session lives.</summary>
    public string Snapshot { get; }

    /// <summary>The tables, sorted by schema and name.</summary>
    public IReadOnlyList<Table> Tables { get; }

    public static async Task<ReferenceSession> BeginAsync(
        NpgsqlDataSource dataSource, IEnumerable<string> patterns, TimeSpan lockTimeout, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await ExecuteAsync(connection, Settings(lockTimeout), cancellationToken).ConfigureAwait(false);
            var snapshot = await SnapshotAsync(connection, cancellationToken).ConfigureAwait(false);
            var tables = await ReferenceCatalog.FindAsync(connection, patterns, cancellationToken).ConfigureAwait(false);
            // Before pg_dump starts, because it may end long before the rows are read: an ALTER TABLE that rewrites a table would leave it empty
            // for this snapshot (manual, "Caveats" of concurrency control).
            foreach (var table in tables)
                await ReadingAsync(table, () => ExecuteAsync(connection, $"LOCK TABLE {table.Name} IN ACCESS SHARE MODE", cancellationToken)).ConfigureAwait(false);
            return new ReferenceSession(connection, snapshot, tables);
        }
        catch
        {
            // The pool rolls the transaction back.
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Writes the rows of a table in COPY's text form, without the line that ends them; memory does not depend on their number.</summary>
    public Task WriteRowsAsync(Table table, TextWriter target, CancellationToken cancellationToken) => ReadingAsync(table, async () =>
    {
        var buffer = ArrayPool<char>.Shared.Rent(BufferChars);
        try
        {
            using var rows = await _connection.BeginTextExportAsync(table.CopyTo, cancellationToken).ConfigureAwait(false);
            while (await rows.ReadAsync(buffer.AsMemory(), cancellationToken).ConfigureAwait(false) is > 0 and var read)
                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    });

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    // The text of values must depend on the values alone. row_security=off turns rows that a policy would hide into an error.
    private static string Settings(TimeSpan lockTimeout) => string.Create(CultureInfo.InvariantCulture, $"""
        BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
        SET LOCAL search_path = '';
        SET LOCAL datestyle = 'ISO';
        SET LOCAL intervalstyle = 'postgres';
        SET LOCAL timezone = 'UTC';
        SET LOCAL extra_float_digits = 3;
        SET LOCAL bytea_output = 'hex';
        SET LOCAL row_security = off;
        SET LOCAL statement_timeout = 0;
        SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';
        SET LOCAL idle_in_transaction_session_timeout = 0;
        SET LOCAL lock_timeout = {(lockTimeout == Timeout.InfiniteTimeSpan ? 0 : Math.Ceiling(lockTimeout.TotalMilliseconds))};
        """);

    private static async Task<string> SnapshotAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand("SELECT pg_catalog.pg_export_snapshot()", connection);
        await using (command.ConfigureAwait(false))
            return (string)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await using (command.ConfigureAwait(false))
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task ReadingAsync(Table table, Func<Task> read)
    {
        try
        {
            await read().ConfigureAwait(false);
        }
        catch (PostgresException error)
        {
            throw new ReferenceDataException(table.Name.ToString(), error);
        }
    }

    /// <summary>Finds the tables that patterns mean.</summary>
    private static class ReferenceCatalog
    {
        private const string Option = "ReferenceTables";

        // Members of an extension are no objects of the schema, temporary tables belong to other sessions. indkey holds INCLUDE columns, too.
        private const string Sql = """
            SELECT n.nspname::text, c.relname::text, pg_catalog.pg_get_userbyid(c.relowner)::text, c.relkind = 'p', c.oid,
                   ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
                   ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY k (attnum, place)
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts ORDER BY k.place),
                   ARRAY(SELECT a.attcollation <> 0 FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY k (attnum, place)
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts ORDER BY k.place),
                   ARRAY(SELECT p.relid::oid FROM pg_catalog.pg_partition_ancestors(c.oid) p (relid) WHERE p.relid <> c.oid)
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
            WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
            """;

        /// <exception cref="ExtractorOptionException">A pattern matches no table, or a table has no primary key.</exception>
        public static async Task<IReadOnlyList<Table>> FindAsync(
            NpgsqlConnection connection, IEnumerable<string> patterns, CancellationToken cancellationToken)
        {
            var expressions = patterns.Select(static pattern =>
                (Pattern: pattern, Regex: NamePattern.Compile($"^(?:{NamePattern.ToExpression(pattern)})$", Option, pattern))).ToList();
            var unmatched = expressions.Select(static e => e.Pattern).ToHashSet(StringComparer.Ordinal);
            var found = new Dictionary<uint, (Table Table, uint[] Ancestors)>();
            var command = new NpgsqlCommand(Sql, connection);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    {
                        var name = $"{reader.GetString(0)}.{reader.GetString(1)}";
                        var matches = expressions.Where(e => NamePattern.Matches(e.Regex, name, Option)).ToList();
                        if (matches.Count == 0)
                            continue;
                        unmatched.ExceptWith(matches.Select(static e => e.Pattern));
                        found.Add(reader.GetFieldValue<uint>(4), (Read(reader), reader.GetFieldValue<uint[]>(8)));
                    }
                }
            }
            if (unmatched.Count > 0)
                throw new ExtractorOptionException(Option, $"There is no table '{string.Join("', '", unmatched.Order(StringComparer.Ordinal))}'.",
                    "Write schema.table, with double quotes around names that are not all lower case.");
            // A partition's rows come with those of its partitioned table.
            return [.. found.Values.Where(item => !item.Ancestors.Any(found.ContainsKey)).Select(static item => Checked(item.Table))];
        }

        private static Table Read(NpgsqlDataReader reader) => new(
            new QualifiedName(PgIdentifier.Create(reader.GetString(0)), PgIdentifier.Create(reader.GetString(1))),
            reader.GetString(2),
            reader.GetBoolean(3),
            [.. reader.GetFieldValue<string[]>(5).Select(PgIdentifier.Create)],
            [.. reader.GetFieldValue<string[]>(6).Select(PgIdentifier.Create).Zip(reader.GetFieldValue<bool[]>(7))]);

        private static Table Checked(Table table) => table.Key.Count > 0 ? table
            : throw new ExtractorOptionException(Option, $"The table '{table.Name}' has no primary key, so its rows have no stable order.",
                "Give it a primary key, or extract it with all rows by Data.");
    }

    /// <summary>A table whose rows are reference data.</summary>
    /// <param name="Name">Schema and name.</param>
    /// <param name="Owner">Owning role, unquoted.</param>
    /// <param name="IsPartitioned">Whether the rows are in partitions.</param>
    /// <param name="Columns">Columns that hold values of their own, in their order.</param>
    /// <param name="Key">Columns of the primary key, in its order, and whether they know a collation.</param>
    internal sealed record Table(
        QualifiedName Name, string Owner, bool IsPartitioned, IReadOnlyList<PgIdentifier> Columns, IReadOnlyList<(PgIdentifier Column, bool HasCollation)> Key)
    {
        public string CopyFrom => $"COPY {Name} ({ColumnList}) FROM stdin;\n";

        // The database's own collation would sort text by the libraries of its host; "C" gives one order everywhere.
        public string CopyTo =>
            $"COPY (SELECT {ColumnList} FROM {Source} ORDER BY {string.Join(", ", Key.Select(static k => k.HasCollation ? $"{k.Column} COLLATE \"C\"" : k.Column.ToString()))}) TO STDOUT";

        private string ColumnList => string.Join(", ", Columns);

        // Children by inheritance are tables of their own; partitions are read through the partitioned table.
        private string Source => IsPartitioned ? Name.ToString() : $"ONLY {Name}";
    }
}
