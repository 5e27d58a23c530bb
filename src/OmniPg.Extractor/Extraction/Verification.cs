using Npgsql;

namespace OmniPg.Extractor;

/// <summary>The round trip: replay into a scratch database, extract that, compare.</summary>
internal sealed class Verification(IPgExtractor extractor, NpgsqlDataSource admin, VerifyOptions options)
{
    private readonly ReplayOptions _replay = new() { Secrets = new MaskResolver(), SchemaOnly = true, Roles = options.Roles, Kinds = options.Kinds & ~ObjectKinds.Database };
    private readonly DiffOptions _diff = new() { IgnoreDatabase = true, IgnoreOwners = options.Roles == MissingRoles.Skip, IgnoreAcl = options.Roles == MissingRoles.Skip };

    public async Task<VerifyResult> RunAsync(SchemaSnapshot first, CancellationToken cancellationToken)
    {
        first = Wanted(first);
        var (second, replay) = await GenerationAfterAsync(first, cancellationToken).ConfigureAwait(false);
        var diff = SchemaDiff.Between(first, second, _diff);
        var reworded = diff.Objects.Where(static o => o.Status == DiffStatus.Changed && o.Classes == DiffClasses.Definition).ToList();
        if (reworded.Count > 0 && !await IsFixedAsync(second, cancellationToken).ConfigureAwait(false))
            reworded.Clear();
        reworded.RemoveAll(o => !HasSameEntries(o.SchemaObject, first, second));
        return new VerifyResult { Differences = [.. diff.Objects.Except(reworded)], Reworded = reworded, Replay = replay };
    }

    // Text that the server words anew stays the same from the next generation on; a loss would not come back either, hence the count.
    private async Task<bool> IsFixedAsync(SchemaSnapshot second, CancellationToken cancellationToken)
    {
        var (third, _) = await GenerationAfterAsync(second, cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(second, third, _diff).IsEmpty;
    }

    private SchemaSnapshot Wanted(SchemaSnapshot snapshot) => snapshot with
    {
        Entries = [.. snapshot.Entries.Where(entry => entry.SchemaObject.Kinds is var kind
            && (kind is ObjectKinds.None or ObjectKinds.Database || options.Kinds.HasFlag(kind)))],
    };

    private static bool HasSameEntries(SchemaObjectId id, SchemaSnapshot first, SchemaSnapshot second) =>
        Keys(id, first).SetEquals(Keys(id, second));

    private static HashSet<string> Keys(SchemaObjectId id, SchemaSnapshot snapshot) =>
        [.. snapshot.Entries.Where(entry => entry.SchemaObject == id && entry.Section != TocSection.Data).Select(static entry => entry.Key)];

    private async Task<(SchemaSnapshot Next, ReplayResult Replay)> GenerationAfterAsync(SchemaSnapshot snapshot, CancellationToken cancellationToken)
    {
        var scratch = await ScratchDatabase.CreateAsync(admin, SessionText.RawEncoding(snapshot), cancellationToken).ConfigureAwait(false);
        await using (scratch.ConfigureAwait(false))
        {
            var replay = await snapshot.ReplayAsync(scratch.DataSource, _replay, cancellationToken).ConfigureAwait(false);
            var scratchSource = extractor.From(scratch.DataSource);
            var next = await scratchSource.ToSnapshotAsync(scratchSource.OptionsOf(snapshot), cancellationToken).ConfigureAwait(false);
            return (Wanted(next), replay);
        }
    }

    /// <summary>Puts the mask itself in the place of secrets: in a scratch database nobody connects with them.</summary>
    private sealed class MaskResolver : ISecretResolver
    {
        public ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default) => new(SecretRedactor.Mask);
    }

    /// <summary>A database that lives as long as one verification.</summary>
    private sealed class ScratchDatabase : IAsyncDisposable
    {
        private readonly NpgsqlDataSource _admin;

        private ScratchDatabase(NpgsqlDataSource admin, string name, NpgsqlDataSource dataSource)
        {
            _admin = admin;
            Name = name;
            DataSource = dataSource;
        }

        public string Name { get; }

        public NpgsqlDataSource DataSource { get; }

        /// <param name="admin">A connection to any database of the server, as a role that may create databases.</param>
        /// <param name="encoding">Encoding of the database; null for that of the template.</param>
        /// <param name="cancellationToken">Ends the wait.</param>
        public static async Task<ScratchDatabase> CreateAsync(
            NpgsqlDataSource admin, string? encoding, CancellationToken cancellationToken)
        {
            var name = "omnipg_verify_" + Guid.NewGuid().ToString("N")[..12];
            var like = encoding is null ? "" : $" ENCODING {PgLiteral.Quote(encoding)} LC_COLLATE 'C' LC_CTYPE 'C'";
            await ExecuteAsync(admin, $"CREATE DATABASE {PgIdentifier.Create(name).Quoted} TEMPLATE template0{like}", cancellationToken).ConfigureAwait(false);
            return new ScratchDatabase(
                admin, name, NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(admin.ConnectionString) { Database = name, Pooling = true }));
        }

        public async ValueTask DisposeAsync()
        {
            // A subscription would keep the database; replayed ones have no slot at any publisher.
            await ExecuteAsync(DataSource, """
                DO $$
                DECLARE s name;
                BEGIN
                    FOR s IN SELECT subname FROM pg_catalog.pg_subscription
                        WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                    LOOP
                        EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', s);
                        EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', s);
                        EXECUTE pg_catalog.format('DROP SUBSCRIPTION %I', s);
                    END LOOP;
                EXCEPTION WHEN insufficient_privilege THEN NULL;
                END
                $$
                """, CancellationToken.None).ConfigureAwait(false);
            await DataSource.DisposeAsync().ConfigureAwait(false);
            await ExecuteAsync(_admin, $"DROP DATABASE IF EXISTS {PgIdentifier.Create(Name).Quoted} WITH (FORCE)", CancellationToken.None).ConfigureAwait(false);
        }

        private static async Task ExecuteAsync(NpgsqlDataSource dataSource, string sql, CancellationToken cancellationToken)
        {
            var command = dataSource.CreateCommand(sql);
            await using (command.ConfigureAwait(false))
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
