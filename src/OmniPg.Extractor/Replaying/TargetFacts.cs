using Npgsql;

namespace OmniPg.Extractor;

/// <summary>What a replay asks its target before it begins.</summary>
internal static class TargetFacts
{
    // Objects of initdb have OIDs below 16384 (FirstNormalObjectId in access/transam.h).
    private const string UserObjectsSql = """
        SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_'
        UNION ALL SELECT 'relation ' || oid::pg_catalog.regclass::text FROM pg_catalog.pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
        UNION ALL SELECT 'function ' || oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'type ' || oid::pg_catalog.regtype::text FROM pg_catalog.pg_type WHERE oid >= 16384
        UNION ALL SELECT 'extension ' || extname FROM pg_catalog.pg_extension WHERE oid >= 16384
        UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication
        UNION ALL SELECT 'foreign-data wrapper ' || fdwname FROM pg_catalog.pg_foreign_data_wrapper
        UNION ALL SELECT 'event trigger ' || evtname FROM pg_catalog.pg_event_trigger
        LIMIT 10
        """;

    private const string MissingRolesSql = """
        SELECT name FROM pg_catalog.unnest($1) AS name
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) ORDER BY name COLLATE "C"
        """;

    public static Task<List<string>> UserObjectsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ReadAsync(new NpgsqlCommand(UserObjectsSql, connection), cancellationToken);

    public static Task<List<string>> MissingRolesAsync(NpgsqlConnection connection, IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
        ReadAsync(new NpgsqlCommand(MissingRolesSql, connection) { Parameters = { new NpgsqlParameter { Value = names.ToArray() } } }, cancellationToken);

    private static async Task<List<string>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    names.Add(reader.GetString(0));
            }
        }
        return names;
    }
}

/// <summary>Sends statements as they are.</summary>
/// <remarks>
/// Npgsql cuts the text of a command without parameters at its semicolons, those of a <c>BEGIN ATOMIC</c> body included (npgsql/npgsql#4445). The
/// commands of a batch it leaves alone: whatever the server or a user wrote goes this way.
/// </remarks>
internal static class PlainStatements
{
    public static async Task ExecuteAsync(NpgsqlConnection connection, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        var batch = new NpgsqlBatch(connection) { Timeout = 0 };
        await using (batch.ConfigureAwait(false))
        {
            foreach (var statement in statements)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
