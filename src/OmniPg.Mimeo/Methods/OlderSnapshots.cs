namespace OmniPg.Mimeo;

/// <summary>Sessions of the destination whose snapshot is older than rows that were committed elsewhere: shown a table of such rows, they would see an empty one.</summary>
/// <remarks>
/// As CREATE INDEX CONCURRENTLY does it: those that are there now are waited for, each until its snapshot is another one, and nobody who comes later. Numbers of sessions and
/// snapshots are what every role may read of others.
/// </remarks>
internal sealed class OlderSnapshots
{
    // $1 the first transaction that an older snapshot does not know. What kind of process another role's is, not every role may read (pgstatfuncs.c).
    private const string Sql =
        """
        SELECT pid || ' ' || backend_xmin::text FROM pg_catalog.pg_stat_activity
        WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND (backend_type IS NULL OR backend_type = 'client backend') AND pg_catalog.age(backend_xmin) > pg_catalog.age($1::xid)
        """;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly string? _horizon;
    private IReadOnlyCollection<string> _left;

    private OlderSnapshots(string? horizon, IReadOnlyCollection<string> left) => (_horizon, _left) = (horizon, left);

    /// <summary>What a snapshot has to know that sees everything that is committed by now.</summary>
    public static async Task<string> HorizonAsync(PgSession session) =>
        (string)(await session.ScalarAsync("SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::xid::text").ConfigureAwait(false))!;

    /// <summary>Those that are there now; none where there is no horizon.</summary>
    public static async Task<OlderSnapshots> ReadAsync(PgSession session, string? horizon) => new(horizon, horizon is null ? [] : await LookAsync(session, horizon).ConfigureAwait(false));

    /// <summary>Waits until they are gone.</summary>
    /// <exception cref="MimeoLockException">Not all are, after this time.</exception>
    public async Task WaitAsync(PgSession session, QualifiedName relation, TimeSpan limit, TimeProvider time)
    {
        var began = time.GetTimestamp();
        while (_left.Count > 0)
        {
            _left = [.. _left.Intersect(await LookAsync(session, _horizon!).ConfigureAwait(false), StringComparer.Ordinal)];
            if (_left.Count > 0 && time.GetElapsedTime(began) >= limit)
                throw new MimeoLockException(relation, $"show its new rows, for session {_left.First().Split(' ')[0]} has an older snapshot and would see none", null);
            if (_left.Count > 0)
                await Task.Delay(Pause, time, session.CancellationToken).ConfigureAwait(false);
        }
    }

    private static Task<IReadOnlyList<string>> LookAsync(PgSession session, string horizon) => session.RowsAsync(Sql, row => row.GetString(0), PgParameter.Of(uint.Parse(horizon, System.Globalization.CultureInfo.InvariantCulture), NpgsqlTypes.NpgsqlDbType.Xid));
}
