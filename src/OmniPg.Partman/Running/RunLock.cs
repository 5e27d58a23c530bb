namespace OmniPg.Partman;

/// <summary>Lets one run at a time work on a set, the extension's own among them, by locks of sessions.</summary>
/// <remarks>
/// The extension's keys (its <c>run_maintenance</c> takes the first in a transaction, <c>run_maintenance_proc</c> the second in a session; session and
/// transaction locks of one key exclude each other) are computed by the server as it does. The own key is a pair, a space of its own.
/// </remarks>
internal sealed class RunLock : IAsyncDisposable
{
    private const string OwnLabel = "omnipg partman";
    private const string ExtensionUndoLabel = "pg_partman undo_partition";
    private static readonly string[] ExtensionLabels = ["pg_partman run_maintenance", "pg_partman run_maintenance procedure"];
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    // What work knows of the locks that it stands behind, however deep it is called.
    private static readonly AsyncLocal<CancellationToken[]?> Behind = new();

    private readonly IReadOnlyList<AdvisoryLock> _held;
    private readonly CancellationToken[] _lost;

    private RunLock(IReadOnlyList<AdvisoryLock> held, RunLock? within)
    {
        _held = held;
        // Kept, because a lock that was given back has none any more.
        _lost = [.. held.Select(h => h.Lost), .. within?._lost ?? []];
    }

    /// <summary>Holds nothing.</summary>
    public static RunLock None { get; } = new([], null);

    /// <summary>Whether a lock that this work stands behind is lost: what is to be cleaned up is somebody else's by now, or the next run's.</summary>
    public static bool IsLost => Behind.Value is { } lost && lost.Any(l => l.IsCancellationRequested);

    /// <summary>The question, as SQL, whether nobody has the lock of a set.</summary>
    /// <param name="set">An expression for how the configuration names the set.</param>
    public static string IsFree(string set)
    {
        static string Half(string text) => $"(pg_catalog.hashtext({text})::pg_catalog.int8 & 4294967295)::pg_catalog.oid";
        // Two keys are told from one by objsubid (LockTagTypeNames, src/backend/utils/adt/lockfuncs.c).
        return $"NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.classid = {Half(PgLiteral.Quote(OwnLabel))} AND l.objid = {Half(set)} "
            + "AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))";
    }

    /// <summary>Locks a set.</summary>
    /// <param name="database">The database.</param>
    /// <param name="set">How the configuration names the set.</param>
    /// <param name="table">The set, for messages.</param>
    /// <param name="within">The lock of the extension that this one stands behind: work ends with either.</param>
    /// <param name="time">Clock of the looks after the sessions.</param>
    /// <param name="cancellationToken">Cancels the try.</param>
    /// <exception cref="PartmanBusyException">Somebody else works on it.</exception>
    /// <exception cref="PartmanPoolerException">No lock lasts here.</exception>
    public static async Task<RunLock> OfSetAsync(PartmanDatabase database, string set, QualifiedName table, RunLock within, TimeProvider time, CancellationToken cancellationToken)
    {
        var keys = await KeysAsync(database, [OwnLabel, set], cancellationToken).ConfigureAwait(false);
        return await TakeAsync(database, AdvisoryLockKey.FromPair(keys[0], keys[1]), time, cancellationToken).ConfigureAwait(false) is { } held
            ? new RunLock([held], within) : throw new PartmanBusyException(table, "another run of this package");
    }

    /// <summary>Locks more sets for the rest of the session's transaction, all of them by one session.</summary>
    /// <exception cref="PartmanBusyException">Somebody else works on one.</exception>
    public static async Task AlsoAsync(PgSession session, IReadOnlyList<QualifiedName> tables)
    {
        if (tables.Count == 0)
            return;
        // One by one, in the order of the list.
        var isHeld = await session.RowsAsync("SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext($1), pg_catalog.hashtext(s.s)) FROM unnest($2) WITH ORDINALITY AS s (s, place) ORDER BY s.place",
            row => row.GetBoolean(0), PgParameter.Text(OwnLabel), PgParameter.Texts(tables.Select(t => $"{t.Schema!.Value.Value}.{t.Name.Value}"))).ConfigureAwait(false);
        for (var i = 0; i < tables.Count; i++)
        {
            if (!isHeld[i])
                throw new PartmanBusyException(tables[i], "another run of this package");
        }
    }

    /// <summary>Keeps the maintenance of the extension out of the database, where it keeps the configuration.</summary>
    /// <exception cref="PartmanBusyException">It is at work.</exception>
    /// <exception cref="PartmanPoolerException">No lock lasts here.</exception>
    public static async Task<RunLock> OfExtensionAsync(PartmanDatabase database, TimeProvider time, CancellationToken cancellationToken, bool whereInstalled = false, bool isUndo = false)
    {
        if (!await database.RunAsync("lock", (_, server) => Task.FromResult(server.UsesExtension || (whereInstalled && server.ExtensionSchema is not null)), cancellationToken).ConfigureAwait(false))
            return None;
        var held = new List<AdvisoryLock>();
        try
        {
            foreach (var key in await KeysAsync(database, isUndo ? [.. ExtensionLabels, ExtensionUndoLabel] : ExtensionLabels, cancellationToken).ConfigureAwait(false))
            {
                held.Add(await TakeAsync(database, AdvisoryLockKey.FromInt64(key), time, cancellationToken).ConfigureAwait(false)
                    ?? throw new PartmanBusyException(null, "the extension pg_partman"));
            }
            return new RunLock(held, null);
        }
        catch
        {
            foreach (var one in held)
                await one.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Works on one set with both locks, that of the extension first, and gives them back.</summary>
    /// <param name="database">The database.</param>
    /// <param name="table">The set.</param>
    /// <param name="time">Clock of the looks after the sessions.</param>
    /// <param name="work">The work; its token fires when a lock is lost as well.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <param name="whereInstalled">Whether the extension is kept out although its configuration is not used.</param>
    /// <param name="isUndo">Whether its undo is kept out as well, which takes a lock of its own for all sets.</param>
    public static async Task<T> WithBothAsync<T>(PartmanDatabase database, QualifiedName table, TimeProvider time, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken, bool whereInstalled = false, bool isUndo = false)
    {
        var extension = await OfExtensionAsync(database, time, cancellationToken, whereInstalled, isUndo).ConfigureAwait(false);
        await using var first = extension.ConfigureAwait(false);
        var held = await OfSetAsync(database, $"{table.Schema!.Value.Value}.{table.Name.Value}", table, extension, time, cancellationToken).ConfigureAwait(false);
        await using var second = held.ConfigureAwait(false);
        return await held.WorkAsync(table, work, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Works while the lock is held.</summary>
    /// <exception cref="PartmanBusyException">The lock was lost, and somebody else may have it.</exception>
    public async Task<T> WorkAsync<T>(QualifiedName table, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var working = CancellationTokenSource.CreateLinkedTokenSource([cancellationToken, .. _lost]);
        Behind.Value = _lost;
        try
        {
            return await work(working.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (working.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PartmanBusyException(table, "whoever takes over, because the session that held the lock broke");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _held)
            await one.DisposeAsync().ConfigureAwait(false);
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
