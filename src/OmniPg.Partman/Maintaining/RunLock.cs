namespace OmniPg.Partman;

/// <summary>Lets one run at a time work on a set, the extension's own among them, by locks of sessions.</summary>
/// <remarks>
/// The extension's keys (its <c>run_maintenance</c> takes the first in a transaction, <c>run_maintenance_proc</c> the second in a session; session and
/// transaction locks of one key exclude each other) are computed by the server as it does. The own key is a pair, a space of its own.
/// </remarks>
internal static class RunLock
{
    private const string OwnLabel = "omnipg partman";
    private static readonly string[] ExtensionLabels = ["pg_partman run_maintenance", "pg_partman run_maintenance procedure"];
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>Locks a set.</summary>
    /// <exception cref="PartmanBusyException">Somebody else works on it.</exception>
    /// <exception cref="PartmanPoolerException">No lock lasts here.</exception>
    public static async Task<AdvisoryLock> OfSetAsync(PartmanDatabase database, string set, QualifiedName? table, TimeProvider time, CancellationToken cancellationToken)
    {
        var keys = await KeysAsync(database, [OwnLabel, set], cancellationToken).ConfigureAwait(false);
        return await TakeAsync(database, AdvisoryLockKey.FromPair(keys[0], keys[1]), time, cancellationToken).ConfigureAwait(false)
            ?? throw new PartmanBusyException(table, "another run of this package");
    }

    /// <summary>Keeps the maintenance of the extension out of the database.</summary>
    /// <exception cref="PartmanBusyException">It is at work.</exception>
    /// <exception cref="PartmanPoolerException">No lock lasts here.</exception>
    public static async Task<IReadOnlyList<AdvisoryLock>> OfExtensionAsync(PartmanDatabase database, TimeProvider time, CancellationToken cancellationToken)
    {
        var held = new List<AdvisoryLock>();
        foreach (var key in await KeysAsync(database, ExtensionLabels, cancellationToken).ConfigureAwait(false))
        {
            if (await TakeAsync(database, AdvisoryLockKey.FromInt64(key), time, cancellationToken).ConfigureAwait(false) is { } one)
            {
                held.Add(one);
                continue;
            }
            foreach (var other in held)
                await other.DisposeAsync().ConfigureAwait(false);
            throw new PartmanBusyException(null, "the extension pg_partman");
        }
        return held;
    }

    private static async Task<AdvisoryLock?> TakeAsync(PartmanDatabase database, AdvisoryLockKey key, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            return await AdvisoryLock.TryAcquireAsync(database.OpenAsync, key, LookEvery, time, cancellationToken).ConfigureAwait(false);
        }
        catch (NotSupportedException pooler)
        {
            throw new PartmanPoolerException(database.Name, pooler);
        }
    }

    private static Task<IReadOnlyList<int>> KeysAsync(PartmanDatabase database, IEnumerable<string> labels, CancellationToken cancellationToken) =>
        database.RunAsync("lock", (session, _) => session.RowsAsync(
            "SELECT pg_catalog.hashtext(l.l) FROM unnest($1) WITH ORDINALITY AS l (l, place) ORDER BY l.place", row => row.GetInt32(0), PgParameter.Texts(labels)), cancellationToken);
}
