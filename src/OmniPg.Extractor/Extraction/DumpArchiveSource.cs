using System.Globalization;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>A database, read by one pg_dump into a pipe.</summary>
internal sealed class DumpArchiveSource(PgDumpRunner runner, PgDumpSource source, ExtractorOptions settings, NpgsqlDataSource? dataSource) : IArchiveSource
{
    public IEnumerable<string> Refusals(ExtractionOptions options) => options.ReferenceTables.Count > 0 && dataSource is null
        ? ["ReferenceTables are read by Npgsql, and no data source is known: give it beside the PgDumpSource."]
        : [];

    public async Task<IOpenArchive> OpenAsync(ExtractionOptions options, CancellationToken cancellationToken)
    {
        var version = dataSource is null ? null : (PgServerVersion?)await ServerFacts.VersionAsync(dataSource, cancellationToken).ConfigureAwait(false);
        var kept = options.KeepArchive is null ? null : new KeptArchive(options.KeepArchive);
        ReferenceSession? references = null;
        PgDumpRun? run = null;
        try
        {
            if (dataSource is not null && options.ReferenceTables.Count > 0)
                references = await ReferenceSession.BeginAsync(dataSource, options.ReferenceTables, settings.LockTimeout, cancellationToken).ConfigureAwait(false);
            run = await runner.StartAsync(source, OptionsOf(options, references?.Snapshot), version, kept?.Stream, cancellationToken).ConfigureAwait(false);
            // Within the dump: what is installed can hardly change between the two readings, and nothing but the manifest depends on it.
            var extensions = dataSource is null
                ? new Dictionary<string, string>()
                : await ServerFacts.ExtensionsAsync(dataSource, cancellationToken).ConfigureAwait(false);
            var hidden = await HiddenMappingsAsync(options, run.Archive, cancellationToken).ConfigureAwait(false);
            return new Opened(run, references, kept, extensions, hidden, RolesAsync);
        }
        catch
        {
            if (run is not null)
                await run.DisposeAsync().ConfigureAwait(false);
            if (references is not null)
                await references.DisposeAsync().ConfigureAwait(false);
            if (kept is not null)
                await kept.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        async Task<string?> RolesAsync(bool includePasswords, CancellationToken token) =>
            await runner.DumpRolesAsync(source, includePasswords, version, token).ConfigureAwait(false);
    }

    // A mapping whose options may not be seen looks like one that has none.
    private async Task<PgDumpWarning?> HiddenMappingsAsync(ExtractionOptions options, PgArchive archive, CancellationToken cancellationToken)
    {
        if (!options.Kinds.HasFlag(ObjectKinds.UserMappings)
            || !archive.Entries.Any(static e => e.Kind == TocKind.UserMapping && e.Definition?.Contains("OPTIONS (", StringComparison.Ordinal) != true))
            return null;
        if (dataSource is null)
            return new PgDumpWarning(PgDumpWarningKind.UserMappingsHidden,
                "User mappings have no options, or have options that the user may not see; nobody could be asked.", ["Give the data source beside the PgDumpSource."]);
        var hidden = await ServerFacts.HiddenUserMappingsAsync(dataSource, cancellationToken).ConfigureAwait(false);
        return hidden.Count == 0 ? null : new PgDumpWarning(PgDumpWarningKind.UserMappingsHidden,
            $"The user may not see the options of {hidden.Count.ToString(CultureInfo.InvariantCulture)} user mappings; they are written without:", hidden);
    }

    private PgDumpOptions OptionsOf(ExtractionOptions options, string? snapshot) => new()
    {
        SchemaOnly = options.Data is null,
        DataFormat = options.Data?.Format ?? DataFormat.Copy,
        RowsPerInsert = options.Data?.RowsPerInsert,
        OnConflictDoNothing = options.Data?.OnConflictDoNothing ?? false,
        LargeObjects = options.Data is null ? null : options.Data.IncludeLargeObjects,
        // pg_dump alone can read foreign tables' rows; every other filter is evaluated here.
        ForeignData = options.Data is null ? [] : options.Filter.ForeignData.IncludedItems,
        Snapshot = snapshot,
        MaxBytesPerSecond = options.MaxBytesPerSecond,
        LockTimeout = settings.LockTimeout,
        Retries = settings.Retries,
        Encoding = options.Encoding ?? settings.Encoding,
        Service = settings.Service,
        PassFile = settings.PassFile,
    };

    private sealed class Opened(
        PgDumpRun run, ReferenceSession? references, KeptArchive? kept,
        IReadOnlyDictionary<string, string> extensions, PgDumpWarning? hidden, Func<bool, CancellationToken, Task<string?>> roles) : IOpenArchive
    {
        public PgArchive Archive => run.Archive;

        public ReferenceSession? References => references;

        public IReadOnlyDictionary<string, string> Extensions => extensions;

        public IReadOnlyDictionary<string, string> Session => run.Session;

        public async Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken)
        {
            var warnings = await run.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (kept is not null)
                await kept.PublishAsync(cancellationToken).ConfigureAwait(false);
            return hidden is null ? warnings : [.. warnings, hidden];
        }

        public Task<string?> DumpRolesAsync(bool includePasswords, CancellationToken cancellationToken) => roles(includePasswords, cancellationToken);

        public async ValueTask DisposeAsync()
        {
            await run.DisposeAsync().ConfigureAwait(false);
            if (references is not null)
                await references.DisposeAsync().ConfigureAwait(false);
            if (kept is not null)
                await kept.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The copy of the dump: written beside its final name and published when the dump is complete.</summary>
    private sealed class KeptArchive : IAsyncDisposable
    {
        private readonly string _path;
        private readonly string _temporary;
        private readonly FileStream _file;
        private bool _published;

        public KeptArchive(string path)
        {
            _path = Path.GetFullPath(path);
            DurableFile.CreateDirectory(Path.GetDirectoryName(_path)!);
            _temporary = DurableFile.TemporaryNameFor(_path);
            // It holds every secret of the database: only its owner may read it.
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 64 * 1024 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            _file = new FileStream(_temporary, options);
        }

        public Stream Stream => _file;

        public async Task PublishAsync(CancellationToken cancellationToken)
        {
            await _file.FlushAsync(cancellationToken).ConfigureAwait(false);
            DurableFile.FlushToDisk(_file.SafeFileHandle);
            await _file.DisposeAsync().ConfigureAwait(false);
            DurableFile.Replace(_temporary, _path);
            _published = true;
        }

        public async ValueTask DisposeAsync()
        {
            await _file.DisposeAsync().ConfigureAwait(false);
            if (!_published)
                File.Delete(_temporary);
        }
    }

    /// <summary>The little that is asked of a server directly, in read-only queries.</summary>
    private static class ServerFacts
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
}
