using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds the job log of a database. Two round trips, once for each data source; the synchronous form uses synchronous I/O.</summary>
internal static class JobmonServerDetector
{
    public static readonly PgIdentifier DefaultSchema = PgIdentifier.Create("jobmon");

    private static readonly PgIdentifier LogSchema = PgIdentifier.Create("log_schema");

    /// <summary>Finds a log of this package's version, or throws <see cref="JobmonUnsupportedVersionException"/>.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="schema">The schema to look at, or <see langword="null"/> for the extension first, then the SDK's own.</param>
    /// <param name="side">The side schema.</param>
    /// <param name="seconds">Limit of a statement.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public static async Task<JobmonServer> DetectAsync(
        NpgsqlConnection connection, PgIdentifier? schema, PgIdentifier side, int seconds, CancellationToken cancellationToken) =>
        (await DetectAnyVersionAsync(connection, schema, side, seconds, cancellationToken).ConfigureAwait(false)).RequireOwnVersion();

    /// <summary>Finds a log of any version, for an installation to judge.</summary>
    /// <inheritdoc cref="DetectAsync"/>
    public static async Task<JobmonServer> DetectAnyVersionAsync(
        NpgsqlConnection connection, PgIdentifier? schema, PgIdentifier side, int seconds, CancellationToken cancellationToken)
    {
        JobmonServer found;
        using (var command = DetectCommand(connection, schema, seconds))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var closingReader = reader.ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            found = Read(reader, schema, side);
        }
        return With(found, await SchemaFind.LookAsync(
            async: true, connection, side, LogSchema, JobmonServer.CurrentSideVersion, seconds, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc cref="DetectAsync"/>
    public static JobmonServer Detect(NpgsqlConnection connection, PgIdentifier? schema, PgIdentifier side, int seconds)
    {
        JobmonServer found;
        using (var command = DetectCommand(connection, schema, seconds))
        using (var reader = command.ExecuteReader())
        {
            reader.Read();
            found = Read(reader, schema, side).RequireOwnVersion();
        }
        return With(found, SyncCall.Run(SchemaFind.LookAsync(
            async: false, connection, side, LogSchema, JobmonServer.CurrentSideVersion, seconds, CancellationToken.None)));
    }

    private static NpgsqlCommand DetectCommand(NpgsqlConnection connection, PgIdentifier? schema, int seconds) => new(JobmonServerSql.Detect, connection)
    {
        CommandTimeout = seconds,
        Parameters = { PgParameter.Text(schema?.Value) },
    };

    private static JobmonServer Read(NpgsqlDataReader row, PgIdentifier? schema, PgIdentifier side)
    {
        var database = row.GetString(0);
        var extension = row.IsDBNull(4) ? null : row.GetString(4);
        var own = row.IsDBNull(6) ? null : row.GetString(6);
        var useExtension = extension is not null && (schema is null || schema.Value.Value == extension);
        if (!useExtension && schema is null && row.GetInt32(8) > 1 && own != DefaultSchema.Value)
            throw new JobmonConflictException(own!, $"database '{database}' has '{row.GetInt32(8)}' job logs, so the schema must be named in the options");

        if (useExtension && Version.TryParse(row.GetString(5), out var version) && version < JobmonServer.OldestExtension)
            throw new JobmonUnsupportedVersionException("extension pg_jobmon", row.GetString(5), $"{JobmonServer.OldestExtension} or later",
                "Upgrade it with ALTER EXTENSION pg_jobmon UPDATE.");
        var logVersion = useExtension ? row.GetString(5) : row.IsDBNull(7) ? null : row.GetString(7);
        return new JobmonServer
        {
            Mode = useExtension ? JobmonMode.Extension : own is not null ? JobmonMode.Own : JobmonMode.NotInstalled,
            Database = database,
            Role = row.GetString(1),
            Version = new PgServerVersion(row.GetInt32(2)),
            IsStandby = row.GetBoolean(3),
            Schema = useExtension ? PgIdentifier.Create(extension!) : own is not null ? PgIdentifier.Create(own) : schema ?? DefaultSchema,
            LogVersion = logVersion,
            SideSchema = side,
            FunctionsThrough = useExtension && !row.IsDBNull(9) ? PgIdentifier.Create(row.GetString(9)) : null,
        };
    }

    private static JobmonServer With(JobmonServer found, SchemaFind side) =>
        found with { FoundSide = side, SideVersion = side.Trouble(found.Schema) is null ? side.Version : null };
}
