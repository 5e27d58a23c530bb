using System.Buffers;
using System.Globalization;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>A transaction that sees what pg_dump sees, and reads rows sorted by primary key.</summary>
internal sealed class ReferenceSession : IAsyncDisposable
{
    private const int BufferChars = 32 * 1024;
    private readonly NpgsqlConnection _connection;

    private ReferenceSession(NpgsqlConnection connection, string snapshot, IReadOnlyList<ReferenceTable> tables)
    {
        _connection = connection;
        Snapshot = snapshot;
        Tables = tables;
    }

    /// <summary>For <c>pg_dump --snapshot</c>; valid as long as this session lives.</summary>
    public string Snapshot { get; }

    /// <summary>The tables, sorted by schema and name.</summary>
    public IReadOnlyList<ReferenceTable> Tables { get; }

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
    public Task WriteRowsAsync(ReferenceTable table, TextWriter target, CancellationToken cancellationToken) => ReadingAsync(table, async () =>
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

    private static async Task ReadingAsync(ReferenceTable table, Func<Task> read)
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
}
