using Npgsql;

namespace OmniPg.Shared;

/// <summary>What was found where a package keeps tables of its own, beside an extension or instead of one.</summary>
/// <remarks>
/// Such a schema has a table <c>schema_version</c> with one row: <c>version integer</c>, and whatever else the package wants to know of it (Jobmon: the
/// schema of the log that the tables describe). A version of the package works with its own version of the tables only: an installation upgrades what is
/// older and refuses what is newer.
/// </remarks>
/// <param name="Current">Version of the tables that this package works with.</param>
internal sealed record SchemaFind(int Current)
{
    // $1: name of the schema. Null where there is none.
    private const string IsReadable =
        """
        SELECT bool_and(pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'schema_version'
        """;

    public bool Exists { get; init; }

    /// <summary>Version of its tables; null when it is missing or the role may not read it.</summary>
    public int? Version { get; init; }

    /// <summary>What the tables belong to, as the query said; known together with the version.</summary>
    public string? BelongsTo { get; init; }

    public bool IsOlder => Version < Current;

    public bool IsNewer => Version > Current;

    /// <summary>Looks, with statements that only read and that every role may send.</summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="connection">An open connection.</param>
    /// <param name="schema">The schema.</param>
    /// <param name="belongsTo">Column of <c>schema_version</c> that says what the tables belong to.</param>
    /// <param name="current">Version of the tables that the package works with.</param>
    /// <param name="seconds">Limit of a statement.</param>
    /// <param name="cancellationToken">Cancels the look.</param>
    public static async ValueTask<SchemaFind> LookAsync(
        bool async, NpgsqlConnection connection, PgIdentifier schema, PgIdentifier belongsTo, int current, int seconds, CancellationToken cancellationToken)
    {
        using (var command = new NpgsqlCommand(IsReadable, connection) { CommandTimeout = seconds, Parameters = { PgParameter.Text(schema.Value) } })
        {
            var readable = async ? await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteScalar();
            // Null: there is none; false: this role may not look.
            if (readable is not true)
                return new SchemaFind(current) { Exists = readable is false };
        }
        using var version = new NpgsqlCommand($"SELECT version, {belongsTo.Quoted} FROM {schema.Quoted}.schema_version LIMIT 1", connection) { CommandTimeout = seconds };
        // Disposed synchronously in both worlds: the rows are read to their end by then.
        using var row = async ? await version.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : version.ExecuteReader();
        return (async ? await row.ReadAsync(cancellationToken).ConfigureAwait(false) : row.Read())
            ? new SchemaFind(current) { Exists = true, Version = row.GetInt32(0), BelongsTo = row.GetString(1) } : new SchemaFind(current);
    }
}
