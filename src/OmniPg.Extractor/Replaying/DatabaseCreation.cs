using Npgsql;
using OmniPg.Extractor.Kinds;

namespace OmniPg.Extractor.Replaying;

/// <summary>A replay that begins with the database itself, made through a connection to another one.</summary>
internal sealed class DatabaseCreation(SchemaSnapshot snapshot, string? directory, NpgsqlDataSource admin, ReplayOptions options)
{
    public async Task<ReplayReport> RunAsync(CancellationToken cancellationToken)
    {
        // Roles and secrets are looked for before anything exists: CREATE DATABASE cannot be rolled back.
        await UseAsync(admin, async run =>
        {
            await run.CheckAsync(cancellationToken).ConfigureAwait(false);
            return 0;
        }, snapshot, options with { Kinds = options.Kinds | ObjectKinds.Database }, cancellationToken).ConfigureAwait(false);
        var name = snapshot.Entries.FirstOrDefault(static entry => entry.Desc == "DATABASE")?.Tag
            ?? throw new ExtractorOptionException("CreateDatabase", "The tree says nothing about the database itself.", "Extract it with ObjectKinds.Database.");
        var ownEntries = snapshot with { Entries = [.. snapshot.Entries.Where(static entry => ObjectKindMap.OfObject(entry.SchemaObject.Kind) == ObjectKinds.Database)] };
        var created = await UseAsync(
            admin, run => run.RunAsync(cancellationToken), ownEntries,
            options with { Kinds = ObjectKinds.Database, AllowNonEmpty = true, SingleTransaction = false, ContinueOnError = false }, cancellationToken).ConfigureAwait(false);
        var settings = new NpgsqlConnectionStringBuilder(admin.ConnectionString) { Database = name, Pooling = false };
        var target = NpgsqlDataSource.Create(SessionText.RawEncoding(snapshot) is { } raw ? SessionText.ForBytes(settings, raw) : settings);
        await using (target.ConfigureAwait(false))
        {
            var filled = await UseAsync(
                target, run => run.RunAsync(cancellationToken), snapshot, options with { Kinds = options.Kinds & ~ObjectKinds.Database }, cancellationToken).ConfigureAwait(false);
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
