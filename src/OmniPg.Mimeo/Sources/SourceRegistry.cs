using System.Globalization;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>The servers that tables come from: <c>dblink_mapping_mimeo</c>, and their names beside it.</summary>
internal static class SourceRegistry
{
    /// <summary>What a plan calls the destination, so that no source may have the name.</summary>
    public const string Destination = "destination";

    // Partitions come with their table. The queues of this package and of the extension are no tables of anybody; each knows them by their trigger function's schema.
    private const string Relations =
        """
        SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind::text = ANY ($1) AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_' AND n.nspname <> ALL ($2)
        ORDER BY 1, 2
        """;

    /// <summary>Stores a source, or the new connection of a known one.</summary>
    public static async Task<int> AddAsync(PgSession session, MimeoStore store, string name, (string Server, string User, string? Password) connection)
    {
        var known = await session.ScalarAsync($"SELECT data_source_id FROM {store.Beside("source_name")} WHERE name = $1", PgParameter.Text(name)).ConfigureAwait(false);
        NpgsqlParameter[] values = [PgParameter.Text(connection.Server), PgParameter.Text(connection.User), PgParameter.Text(connection.Password)];
        if (known is int id)
        {
            return await session.ExecuteAsync($"UPDATE {store.Of("dblink_mapping_mimeo")} SET data_source = $1, username = $2, pwd = $3 WHERE data_source_id = $4",
                [.. values, PgParameter.Integer(id)]).ConfigureAwait(false);
        }
        var added = (int)(await session.ScalarAsync(
            $"INSERT INTO {store.Of("dblink_mapping_mimeo")} (data_source, username, pwd) VALUES ($1, $2, $3) RETURNING data_source_id", values).ConfigureAwait(false))!;
        return await session.ExecuteAsync($"INSERT INTO {store.Beside("source_name")} VALUES ($1, $2)", PgParameter.Text(name), PgParameter.Integer(added)).ConfigureAwait(false);
    }

    public static Task<IReadOnlyList<MimeoSource>> ListAsync(PgSession session, MimeoStore store) => session.RowsAsync(
        $"SELECT m.data_source_id, coalesce(n.name, m.data_source_id::text), m.data_source, m.username FROM {store.Of("dblink_mapping_mimeo")} m LEFT JOIN {store.Beside("source_name")} n USING (data_source_id) ORDER BY 2",
        row => new MimeoSource(row.GetInt32(0), row.GetString(1), row.GetString(2), row.GetString(3)));

    /// <summary>Forgets a source that no table comes from.</summary>
    /// <exception cref="ReplicationConflictException">Tables come from it.</exception>
    public static async Task<int> RemoveAsync(PgSession session, MimeoStore store, string name)
    {
        var (id, _) = await FindAsync(session, store, name).ConfigureAwait(false);
        if (await session.ScalarAsync($"SELECT dest_table FROM {store.All} c WHERE dblink = $1 ORDER BY 1 LIMIT 1", PgParameter.Integer(id)).ConfigureAwait(false) is string table)
            throw new ReplicationConflictException($"Table '{table}' comes from source '{name}'.", "Drop its tables first.");
        await session.ExecuteAsync($"DELETE FROM {store.Beside("source_name")} WHERE data_source_id = $1", PgParameter.Integer(id)).ConfigureAwait(false);
        return await session.ExecuteAsync($"DELETE FROM {store.Of("dblink_mapping_mimeo")} WHERE data_source_id = $1", PgParameter.Integer(id)).ConfigureAwait(false);
    }

    /// <summary>Connects to a source by the name or number that it is stored under, or by the data source that the options have for it.</summary>
    /// <param name="session">The destination.</param>
    /// <param name="store">Where the configuration is.</param>
    /// <param name="pools">Data sources of the client.</param>
    /// <param name="name">The source.</param>
    /// <exception cref="SourceSettingException">What is stored cannot be used by the driver, and the options have nothing in its place.</exception>
    public static async Task<(int Id, SourceSession Session)> OpenAsync(PgSession session, MimeoStore store, SourcePools pools, string name)
    {
        var (id, connection) = await FindAsync(session, store, name).ConfigureAwait(false);
        return (id, await SourceSession.OpenAsync(name, pools.Given(name) ?? pools.Of(name, StringOf(name, connection)), pools.ThrottleOf(name), session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false));
    }

    /// <summary>Tables of a source that nothing here comes from.</summary>
    public static async Task<IReadOnlyList<QualifiedName>> UnreplicatedAsync(PgSession session, MimeoStore store, SourcePools pools, string name, bool includeViews)
    {
        var (id, source) = await OpenAsync(session, store, pools, name).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        var known = await session.RowsAsync($"SELECT source_table FROM {store.All} c WHERE dblink = $1", row => row.GetString(0), PgParameter.Integer(id)).ConfigureAwait(false);
        var kinds = PgParameter.Texts(includeViews ? ["r", "p", "f", "v", "m"] : ["r", "p", "f"]);
        var there = await source.AskAsync(QualifiedName.Create("pg_catalog", "pg_class"), at => at.RowsAsync(
            Relations, row => QualifiedName.Create(row.GetString(0), row.GetString(1)), kinds, PgParameter.Texts([store.Schema.Value, store.SideSchema.Value]))).ConfigureAwait(false);
        var taken = known.ToHashSet(StringComparer.Ordinal);
        // A dot in the schema is a name that no table can be set up by.
        return [.. there.Where(t => !taken.Contains($"{t.Schema!.Value.Value}.{t.Name.Value}"))];
    }

    private static string StringOf(string name, (string Server, string User, string? Password) connection)
    {
        try
        {
            return ConnectionInfo.ToNpgsql(connection.Server, connection.User, connection.Password);
        }
        catch (Exception error) when (error is FormatException or ArgumentException or OverflowException)
        {
            throw new SourceSettingException(name, error);
        }
    }

    /// <summary>Refuses a name that a source cannot have.</summary>
    public static void RequireName(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (int.TryParse(name, CultureInfo.InvariantCulture, out _))
            throw new ArgumentException($"The name '{name}' is a number, by which sources of the extension are called.", nameof(name));
        if (name == Destination)
            throw new ArgumentException($"The name '{name}' stands for the destination in the plan of a set-up.", nameof(name));
    }

    private static async Task<(int Id, (string Server, string User, string? Password) Connection)> FindAsync(PgSession session, MimeoStore store, string name)
    {
        var found = await session.RowsAsync(
            $"SELECT m.data_source_id, m.data_source, m.username, m.pwd FROM {store.Of("dblink_mapping_mimeo")} m LEFT JOIN {store.Beside("source_name")} n USING (data_source_id) WHERE coalesce(n.name, m.data_source_id::text) = $1",
            row => (row.GetInt32(0), (row.GetString(1), row.GetString(2), row.Text(3))), PgParameter.Text(name)).ConfigureAwait(false);
        return found is [var one, ..] ? one : throw new UnknownSourceException(name);
    }
}
