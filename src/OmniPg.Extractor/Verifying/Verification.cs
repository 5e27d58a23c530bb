using Npgsql;
using OmniPg.Extractor.Kinds;
using OmniPg.Extractor.Replaying;

namespace OmniPg.Extractor.Verifying;

/// <summary>The round trip: replay into a scratch database, extract that, compare.</summary>
internal sealed class Verification(IPgExtractor extractor, NpgsqlDataSource admin, Func<string, NpgsqlDataSource> connect, VerifyOptions options)
{
    private readonly ReplayOptions _replay = new() { Secrets = new MaskResolver(), SchemaOnly = true, Roles = options.Roles, Kinds = options.Kinds & ~ObjectKinds.Database };
    private readonly DiffOptions _diff = new() { IgnoreDatabase = true, IgnoreOwners = options.Roles == MissingRoles.Skip, IgnoreAcl = options.Roles == MissingRoles.Skip };

    public async Task<VerifyReport> RunAsync(SchemaSnapshot first, CancellationToken cancellationToken)
    {
        first = Wanted(first);
        var (second, replay) = await GenerationAfterAsync(first, cancellationToken).ConfigureAwait(false);
        var diff = SchemaDiff.Between(first, second, _diff);
        var reworded = diff.Objects.Where(static o => o.Status == DiffStatus.Changed && o.Classes == DiffClasses.Definition).ToList();
        if (reworded.Count > 0 && !await IsFixedAsync(second, cancellationToken).ConfigureAwait(false))
            reworded.Clear();
        reworded.RemoveAll(o => !HasSameEntries(o.SchemaObject, first, second));
        return new VerifyReport { Differences = [.. diff.Objects.Except(reworded)], Reworded = reworded, Replay = replay };
    }

    // Text that the server words anew stays the same from the next generation on; a loss would not come back either, hence the count.
    private async Task<bool> IsFixedAsync(SchemaSnapshot second, CancellationToken cancellationToken)
    {
        var (third, _) = await GenerationAfterAsync(second, cancellationToken).ConfigureAwait(false);
        return SchemaDiff.Between(second, third, _diff).IsEmpty;
    }

    private SchemaSnapshot Wanted(SchemaSnapshot snapshot) => snapshot with
    {
        Entries = [.. snapshot.Entries.Where(entry => ObjectKindMap.OfObject(entry.SchemaObject.Kind) is var kind
            && (kind is ObjectKinds.None or ObjectKinds.Database || options.Kinds.HasFlag(kind)))],
    };

    private static bool HasSameEntries(SchemaObjectId id, SchemaSnapshot first, SchemaSnapshot second) =>
        Keys(id, first).SetEquals(Keys(id, second));

    private static HashSet<string> Keys(SchemaObjectId id, SchemaSnapshot snapshot) =>
        [.. snapshot.Entries.Where(entry => entry.SchemaObject == id && entry.Section != TocSection.Data).Select(static entry => entry.Key)];

    private async Task<(SchemaSnapshot Next, ReplayReport Replay)> GenerationAfterAsync(SchemaSnapshot snapshot, CancellationToken cancellationToken)
    {
        var scratch = await ScratchDatabase.CreateAsync(admin, connect, SessionText.RawEncoding(snapshot), cancellationToken).ConfigureAwait(false);
        await using (scratch.ConfigureAwait(false))
        {
            var replay = await snapshot.ReplayAsync(scratch.DataSource, _replay, cancellationToken).ConfigureAwait(false);
            var next = await extractor.From(scratch.DataSource).WithOptionsOf(snapshot).ToSnapshotAsync(cancellationToken).ConfigureAwait(false);
            return (Wanted(next), replay);
        }
    }
}
