using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Brings a schema into a database: into the one that is given, over a connection for bytes, or into one that it creates first.</summary>
internal sealed class SchemaReplay(SchemaSnapshot snapshot, string? directory, NpgsqlDataSource target, ReplayOptions options)
{
    public Task<ReplayResult> RunAsync(CancellationToken cancellationToken)
    {
        OptionsCheck.Require(options);
        if (options.CreateDatabase)
            return CreateAsync(cancellationToken);
        return SessionText.RawEncoding(snapshot) is { } raw
            ? RunRawAsync(raw, cancellationToken)
            : UseAsync(target, run => run.RunAsync(cancellationToken), snapshot, options, cancellationToken);
    }

    private async Task<ReplayResult> RunRawAsync(string encoding, CancellationToken cancellationToken)
    {
        var raw = NpgsqlDataSource.Create(SessionText.ForBytes(new NpgsqlConnectionStringBuilder(target.ConnectionString) { Pooling = false }, encoding));
        await using (raw.ConfigureAwait(false))
            return await UseAsync(raw, run => run.RunAsync(cancellationToken), snapshot, options, cancellationToken).ConfigureAwait(false);
    }

    // The database itself is made through a connection to another one.
    private async Task<ReplayResult> CreateAsync(CancellationToken cancellationToken)
    {
        // Roles and secrets are looked for before anything exists: CREATE DATABASE cannot be rolled back.
        await UseAsync(target, async run =>
        {
            await run.CheckAsync(cancellationToken).ConfigureAwait(false);
            return 0;
        }, snapshot, options.With(static o => o.Kinds |= ObjectKinds.Database), cancellationToken).ConfigureAwait(false);
        var name = snapshot.Entries.FirstOrDefault(static entry => entry.Desc == "DATABASE")?.Tag
            ?? throw new ExtractorOptionException("CreateDatabase", "The tree says nothing about the database itself.", "Extract it with ObjectKinds.Database.");
        var ownEntries = snapshot with { Entries = [.. snapshot.Entries.Where(static entry => entry.SchemaObject.Kinds == ObjectKinds.Database)] };
        var created = await UseAsync(
            target, run => run.RunAsync(cancellationToken), ownEntries,
            options.With(static o => (o.Kinds, o.AllowNonEmpty, o.SingleTransaction, o.ContinueOnError) = (ObjectKinds.Database, true, false, false)), cancellationToken).ConfigureAwait(false);
        var settings = new NpgsqlConnectionStringBuilder(target.ConnectionString) { Database = name, Pooling = false };
        var fresh = NpgsqlDataSource.Create(SessionText.RawEncoding(snapshot) is { } raw ? SessionText.ForBytes(settings, raw) : settings);
        await using (fresh.ConfigureAwait(false))
        {
            var filled = await UseAsync(
                fresh, run => run.RunAsync(cancellationToken), snapshot, options.With(static o => o.Kinds &= ~ObjectKinds.Database), cancellationToken).ConfigureAwait(false);
            return filled with
            {
                Entries = created.Entries + filled.Entries,
                Statements = created.Statements + filled.Statements,
                Skipped = [.. created.Skipped, .. filled.Skipped],
                OutsideTransaction = [.. ownEntries.Entries.Select(static entry => entry.Key), .. filled.OutsideTransaction],
                CreatedRoles = [.. created.CreatedRoles.Union(filled.CreatedRoles, StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            };
        }
    }

    private async Task<T> UseAsync<T>(
        NpgsqlDataSource database, Func<ReplayRun, Task<T>> use, SchemaSnapshot entries, ReplayOptions with, CancellationToken cancellationToken)
    {
        var connection = await database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
            return await use(new ReplayRun(connection, entries, directory, with)).ConfigureAwait(false);
    }
}
