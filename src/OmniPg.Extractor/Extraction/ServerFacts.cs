using Npgsql;

namespace OmniPg.Extractor.Extraction;

/// <summary>The little that is asked of a server directly, in read-only queries.</summary>
internal static class ServerFacts
{
    private const string ExtensionsSql = "SELECT extname::text, extversion FROM pg_catalog.pg_extension ORDER BY extname COLLATE \"C\"";

    public static async Task<PgServerVersion> VersionAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
            return PgServerVersion.Of(connection);
    }

    public static async Task<Dictionary<string, string>> ExtensionsAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var extensions = new Dictionary<string, string>(StringComparer.Ordinal);
        var command = dataSource.CreateCommand(ExtensionsSql);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    extensions[reader.GetString(0)] = reader.GetString(1);
            }
        }
        return extensions;
    }
}
