using Npgsql;

namespace OmniPg.Extractor;

/// <summary>The little that is asked of a server directly, in read-only queries.</summary>
internal static class ServerFacts
{
    private const string ExtensionsSql = "SELECT extname::text, extversion FROM pg_catalog.pg_extension ORDER BY extname COLLATE \"C\"";

    // The condition of the view pg_user_mappings, which shows null for options that may not be seen (system_views.sql), turned round.
    private const string HiddenUserMappingsSql = """
        SELECT pg_catalog.format('%s on %s', m.usename, m.srvname)
        FROM pg_catalog.pg_user_mappings AS m JOIN pg_catalog.pg_foreign_server AS s ON s.oid = m.srvid
        WHERE m.umoptions IS NULL AND NOT (
            (m.umuser <> 0 AND m.usename = CURRENT_USER AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE') OR pg_catalog.has_server_privilege(s.oid, 'USAGE')))
            OR (m.umuser = 0 AND pg_catalog.pg_has_role(s.srvowner, 'USAGE'))
            OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER))
        ORDER BY m.usename, m.srvname LIMIT 100
        """;

    public static async Task<List<string>> HiddenUserMappingsAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var mappings = new List<string>();
        await ReadAsync(dataSource, HiddenUserMappingsSql, reader => mappings.Add(reader.GetString(0)), cancellationToken).ConfigureAwait(false);
        return mappings;
    }

    public static async Task<PgServerVersion> VersionAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
            return PgServerVersion.Of(connection);
    }

    public static async Task<Dictionary<string, string>> ExtensionsAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var extensions = new Dictionary<string, string>(StringComparer.Ordinal);
        await ReadAsync(dataSource, ExtensionsSql, reader => extensions[reader.GetString(0)] = reader.GetString(1), cancellationToken).ConfigureAwait(false);
        return extensions;
    }

    // A role's statement_timeout is meant for its work, not for a look at the catalog. The setting ends with the batch's transaction.
    private static async Task ReadAsync(NpgsqlDataSource dataSource, string sql, Action<NpgsqlDataReader> row, CancellationToken cancellationToken)
    {
        var batch = dataSource.CreateBatch();
        await using (batch.ConfigureAwait(false))
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT pg_catalog.set_config('statement_timeout', '0', true)"));
            batch.BatchCommands.Add(new NpgsqlBatchCommand(sql));
            var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    row(reader);
            }
        }
    }
}
