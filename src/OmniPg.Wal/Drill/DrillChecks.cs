using System.Data;
using System.Data.Common;
using Npgsql;

namespace OmniPg.Wal;

/// <summary>Looks at every database of the copy: rows that can be read, indexes and tables that amcheck finds sound, SQL of the user that returns nothing.</summary>
internal sealed class DrillChecks(DrillServer server, RestoreDrillOptions options, IReadOnlyList<(string Path, string Text)> sql)
{
    private const int FirstWithHeapCheck = 14;
    private const int FindingsOfOneTable = 10;
    private readonly List<RestoreDrillFinding> _findings = [];

    public IReadOnlyList<RestoreDrillFinding> Findings => _findings;

    public long Tables { get; private set; }

    public long Rows { get; private set; }

    public long Amchecked { get; private set; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string> databases = [options.Database];
        await InAsync(options.Database, async connection => databases = await DatabasesAsync(connection, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        foreach (var database in databases)
            await InAsync(database, connection => CheckAsync(connection, database, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (sql.Count > 0)
            await InAsync(options.Database, connection => RunFilesAsync(connection, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private async Task InAsync(string database, Func<NpgsqlConnection, Task> work, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await server.ConnectAsync(database, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
                await work(connection).ConfigureAwait(false);
        }
        catch (Exception broken) when (broken is NpgsqlException or IOException or TimeoutException)
        {
            Find("connect", database, "", broken.Message);
        }
    }

    private static Task<List<string>> DatabasesAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ListAsync(connection, "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn ORDER BY 1", r => r.GetString(0), cancellationToken);

    private async Task CheckAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        // No worker runs that could; whoever starts a kept copy in another way finds them off.
        await ForEachAsync(
            connection, "connect", database,
            await ListAsync(
                connection,
                """
                SELECT pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', s.subname), s.subname::text
                FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
                WHERE d.datname = pg_catalog.current_database() AND s.subenabled
                """, r => (r.GetString(0), r.GetString(1)), cancellationToken).ConfigureAwait(false),
            _ => { }, cancellationToken).ConfigureAwait(false);
        if (options.Checks.HasFlag(RestoreDrillChecks.Rows))
            await CountAsync(connection, database, cancellationToken).ConfigureAwait(false);
        if (options.Checks.HasFlag(RestoreDrillChecks.Amcheck))
            await AmcheckAsync(connection, database, cancellationToken).ConfigureAwait(false);
    }

    private async Task CountAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        var tables = await ListAsync(
            connection,
            """
            SELECT pg_catalog.format('SELECT pg_catalog.count(*) FROM ONLY %I.%I', n.nspname, c.relname), pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND (c.relkind = 'r' OR c.relispopulated)
            ORDER BY 2
            """, r => (r.GetString(0), r.GetString(1)), cancellationToken).ConfigureAwait(false);
        Tables += tables.Count;
        await ForEachAsync(connection, "rows", database, tables, r => Rows += r.GetInt64(0), cancellationToken).ConfigureAwait(false);
    }

    private async Task AmcheckAsync(NpgsqlConnection connection, string database, CancellationToken cancellationToken)
    {
        var schema = await SchemaOfAmcheckAsync(connection, cancellationToken).ConfigureAwait(false);
        if (schema is null)
        {
            if (options.RequireAmcheck)
                Find("amcheck", database, "", "the server does not have the extension 'amcheck'");
            return;
        }

        var indexes = await ListAsync(
            connection,
            """
            SELECT pg_catalog.format('SELECT %I.bt_index_check(%s::oid::regclass)', $1::text, c.oid), pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_catalog.pg_am a ON a.oid = c.relam
            WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisready AND i.indisvalid
            ORDER BY 2
            """, r => (r.GetString(0), r.GetString(1)), cancellationToken, schema).ConfigureAwait(false);
        Amchecked += indexes.Count;
        await ForEachAsync(connection, "amcheck", database, indexes, _ => { }, cancellationToken).ConfigureAwait(false);
        if (connection.PostgreSqlVersion.Major < FirstWithHeapCheck)
            return;
        var tables = await ListAsync(
            connection,
            $$"""
            SELECT pg_catalog.format('SELECT pg_catalog.format(''block %s, item %s: %s'', v.blkno, v.offnum, v.msg) FROM %I.verify_heapam(%s::oid::regclass) v LIMIT {{FindingsOfOneTable}}', '%s', '%s', '%s', $1::text, c.oid),
                pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_am a ON a.oid = c.relam
            WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p' AND a.amname = 'heap'
            ORDER BY 2
            """, r => (r.GetString(0), r.GetString(1)), cancellationToken, schema).ConfigureAwait(false);
        Amchecked += tables.Count;
        foreach (var table in tables)
            await ForEachAsync(connection, "amcheck", database, [table], r => Find("amcheck", database, table.Item2, r.GetString(0)), cancellationToken).ConfigureAwait(false);
    }

    /// <returns>Null when the server does not have it.</returns>
    private static async Task<string?> SchemaOfAmcheckAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        const string found = "SELECT n.nspname::text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
        if (await ListAsync(connection, found, r => r.GetString(0), cancellationToken).ConfigureAwait(false) is [var schema])
            return schema;
        if (await ListAsync(connection, "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'", r => r.GetInt32(0), cancellationToken).ConfigureAwait(false) is [])
            return null;
        const string own = "omnipg_drill";
        await ListAsync(connection, $"CREATE SCHEMA {own}; CREATE EXTENSION amcheck SCHEMA {own}", r => 0, cancellationToken).ConfigureAwait(false);
        return own;
    }

    private async Task RunFilesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var (path, text) in sql)
        {
            try
            {
                if (await FirstRowAsync(connection, text, cancellationToken).ConfigureAwait(false) is { } row)
                    Find("sql", options.Database, path, $"it returned a row: {row}");
            }
            catch (PostgresException refused)
            {
                Find("sql", options.Database, path, refused.MessageText);
                await ReopenAsync(connection, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // The driver gives a session up after an error that may be damage (class XX); the server has not.
    private static async Task ReopenAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (connection.State == ConnectionState.Open)
            return;
        await connection.CloseAsync().ConfigureAwait(false);
        await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<string?> FirstRowAsync(NpgsqlConnection connection, string text, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using var ending = transaction.ConfigureAwait(false);
        await ListAsync(connection, "SET TRANSACTION READ ONLY", r => 0, cancellationToken).ConfigureAwait(false);
        // Values as the server writes them: the driver knows no types here.
        using var command = new NpgsqlCommand(text, connection) { AllResultTypesAreUnknown = true };
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        do
        {
            if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                continue;
            var values = new string[reader.FieldCount];
            for (var i = 0; i < values.Length; i++)
                values[i] = $"{reader.GetName(i)} = {(await reader.IsDBNullAsync(i, cancellationToken).ConfigureAwait(false) ? "NULL" : $"'{reader.GetString(i)}'")}";
            return string.Join(", ", values);
        }
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
        return null;
    }

    /// <summary>Runs one statement for each relation; one that fails is a finding, and the next one has its turn.</summary>
    private async Task ForEachAsync(
        NpgsqlConnection connection, string check, string database, IReadOnlyList<(string Statement, string Subject)> work, Action<DbDataReader> take, CancellationToken cancellationToken)
    {
        foreach (var (statement, subject) in work)
        {
            try
            {
                using var command = new NpgsqlCommand(statement, connection);
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using var closing = reader.ConfigureAwait(false);
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    take(reader);
            }
            catch (PostgresException refused)
            {
                Find(check, database, subject, refused.MessageText);
                await ReopenAsync(connection, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task<List<T>> ListAsync<T>(NpgsqlConnection connection, string text, Func<DbDataReader, T> read, CancellationToken cancellationToken, string? argument = null)
    {
        using var command = new NpgsqlCommand(text, connection);
        if (argument is not null)
            command.Parameters.Add(new() { Value = argument });
        var rows = new List<T>();
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                rows.Add(read(reader));
        }

        return rows;
    }

    private void Find(string check, string database, string subject, string text) => _findings.Add(new RestoreDrillFinding(check, database, subject, text));
}
