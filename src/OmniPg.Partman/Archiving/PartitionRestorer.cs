using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>Makes a table of an archived partition again, and a partition of the table.</summary>
internal sealed class PartitionRestorer(PartmanDatabase database, PartmanOptions options, IObjectStore store, TimeProvider time)
{
    private const string RangeCheck = "omnipg_restore_range";

    /// <summary>Restores into a set, under its lock.</summary>
    public async Task<RestoreResult> RunAsync(string key, ArchiveManifest manifest, SetState state, CancellationToken cancellationToken)
    {
        var (lower, upper) = BoundsOf(key, manifest, state);
        var range = new NewRange(new QualifiedName(state.Table.Schema, PgIdentifier.Create(manifest.Name)), lower, upper);
        if (state.Partitions.FirstOrDefault(p => p.Lower < upper && p.Upper > lower) is { } other)
            throw new PartitionOverlapException(state.Table, $"'{other.Name}' has '{other.Lower}' up to '{other.Upper}', and '{key}' goes from '{lower}' up to '{upper}'.", null);
        // First by itself: of damaged rows the server would say what it cannot read, and not what is wrong with them.
        await PartitionArchiver.VerifyAsync(store, state.Table, manifest, cancellationToken).ConfigureAwait(false);
        // Under a name that nobody writes to while it is filled.
        var table = new QualifiedName(state.Table.Schema, PgIdentifier.Create("omnipg_restore_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..16]));
        var shape = await database.RunAsync("restore", (session, _) => ParentShape.ReadAsync(session, state.Table, state.Oid, state.Set.Template), cancellationToken).ConfigureAwait(false);
        await RemoveAsync(table, cancellationToken).ConfigureAwait(false);
        var oid = await MakeAsync(state, shape, table, range, manifest, cancellationToken).ConfigureAwait(false);
        try
        {
            await FillAsync(state, table, range, manifest, cancellationToken).ConfigureAwait(false);
            await new UnitRunner(database, options, time).RunAsync(state, PartitionDdl.Attach(state, shape, table, oid, range, PgIdentifier.Create(RangeCheck)), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            try
            {
                await RemoveAsync(table, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or NpgsqlException)
            {
                // The failure that brought us here is the one to tell; the next restore removes the table.
            }
            throw;
        }
        PartmanTelemetry.Created.Add(1);
        return new RestoreResult(range.Name, lower, upper, manifest.Content.Rows);
    }

    private static (PartitionBound Lower, PartitionBound Upper) BoundsOf(string key, ArchiveManifest manifest, SetState state)
    {
        try
        {
            return (state.Key.OfText(manifest.Lower), state.Key.OfText(manifest.Upper));
        }
        catch (FormatException error)
        {
            throw new PartmanArchiveException(state.Table, $"'{key}' goes from '{manifest.Lower}' up to '{manifest.Upper}', which are no bounds of '{state.Table}': {error.Message}", null, error);
        }
    }

    // By itself: LIKE holds the parent until its transaction ends, and a change of the parent that waits for that would keep everybody waiting.
    private Task<uint> MakeAsync(SetState state, ParentShape shape, QualifiedName table, NewRange range, ArchiveManifest manifest, CancellationToken cancellationToken) => database.RunAsync("restore", async (session, _) =>
    {
        var there = ArchivedColumn.Quoted(await ArchivedColumn.OfAsync(session, state.Oid).ConfigureAwait(false)).ToHashSet();
        if (ArchivedColumn.Quoted(manifest.Columns).FirstOrDefault(c => !there.Contains(c)) is { } missing)
            throw new PartmanArchiveException(state.Table, $"The archive of '{manifest.Name}' has a column {missing}, and '{state.Table}' has none.", "Add the column, restore, and drop it again.");
        if (await session.ScalarAsync("SELECT pg_catalog.to_regclass($1) IS NOT NULL", PgParameter.Text(range.Name.Quoted)).ConfigureAwait(false) is true)
            throw new PartitionNameCollisionException(state.Table, range.Name, "taken by another relation");
        await PlainStatements.ExecuteAsync(
            session.Connection, [$"SET LOCAL lock_timeout = {PlanUnit.Milliseconds(options.LockTimeout)}", .. PartitionDdl.CreateLike(state, shape, table)], session.CommandTimeoutSeconds, cancellationToken).ConfigureAwait(false);
        return (uint)(await session.ScalarAsync("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", PgParameter.Text(table.Quoted)).ConfigureAwait(false))!;
    }, cancellationToken);

    private Task<bool> FillAsync(SetState state, QualifiedName table, NewRange range, ArchiveManifest manifest, CancellationToken cancellationToken) => database.RunAsync("restore", async (limited, _) =>
    {
        var session = limited.Unlimited;
        var columns = ArchivedColumn.Quoted(manifest.Columns).ToList();
        // The server puts a row where there is room, and so not always behind the one before it.
        using var archived = new RowSum();
        await PartitionArchiver.WithRowsAsync(store, state.Table, manifest, rows => TableContent.WriteAsync(session, table, columns, rows, archived), cancellationToken).ConfigureAwait(false);
        using var restored = new RowSum();
        var found = await TableContent.ReadAsync(session, table, columns, null, restored).ConfigureAwait(false);
        if (restored.ToString() != archived.ToString())
            throw new PartmanArchiveException(state.Table, $"The {found.Rows} restored rows of '{table}' are not the {manifest.Content.Rows} archived ones: a column of '{state.Table}' has another type now.", null);
        // Spares the attach its scan.
        var check = $"ALTER TABLE {table.Quoted} ADD CONSTRAINT {RangeCheck} CHECK ({state.Key.Column.Quoted} IS NOT NULL AND {PartitionDdl.Within(state.Key, range.Lower, range.Upper)})";
        await PlainStatements.ExecuteAsync(session.Connection, [check, .. PartitionDdl.EpochCheck(state.Key, range with { Name = table })], 0, cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    // Of a restore that did not come to its end: it holds nothing that the archive does not.
    private Task<int> RemoveAsync(QualifiedName table, CancellationToken cancellationToken) => database.RunAsync("restore", async (session, _) =>
    {
        await session.ExecuteAsync($"SET LOCAL lock_timeout = {PlanUnit.Milliseconds(options.LockTimeout)}").ConfigureAwait(false);
        return await session.ExecuteAsync($"DROP TABLE IF EXISTS {table.Quoted}").ConfigureAwait(false);
    }, cancellationToken);
}

/// <summary>A partition that came back.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Lower">Its lower bound, inside.</param>
/// <param name="Upper">Its upper bound, outside.</param>
/// <param name="Rows">Its rows.</param>
public sealed record RestoreResult(QualifiedName Partition, PartitionBound Lower, PartitionBound Upper, long Rows);
