using System.Globalization;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>An advisory lock of the server, held by a session of its own for as long as this object lives and the session does.</summary>
/// <remarks>
/// The lock ends with its session: when the server goes down, the network breaks or somebody ends the backend, another one may take it at once. So the holder
/// looks after its session, and <see cref="Lost"/> fires when that is gone: work that needs the lock takes this token. Between the end of the session and the
/// next look it does not know; what must never happen twice needs a guard of its own in the same transaction. A pooler that hands out backends by transaction
/// cannot hold such a lock for anybody, and is refused.
/// </remarks>
internal sealed class AdvisoryLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly AdvisoryLockKey _key;
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _released = new();
    private readonly Task _watch;

    private AdvisoryLock(NpgsqlConnection connection, AdvisoryLockKey key, TimeSpan lookEvery, TimeProvider time)
    {
        (_connection, _key) = (connection, key);
        Lost = _lost.Token;
        _watch = WatchAsync(lookEvery, time);
    }

    /// <summary>Fires when the session that holds the lock is gone, and with it the lock.</summary>
    public CancellationToken Lost { get; }

    /// <summary>Takes the lock if nobody has it.</summary>
    /// <param name="open">Opens the connection that is to hold it, such as <c>PgDatabase.OpenAsync</c>; it is closed with the lock.</param>
    /// <param name="key">The lock.</param>
    /// <param name="lookEvery">Time between two looks after the session.</param>
    /// <param name="time">Clock of the looks.</param>
    /// <param name="cancellationToken">Cancels the try.</param>
    /// <returns>The lock, or null when another session has it.</returns>
    /// <exception cref="NotSupportedException">A pooler stands between here and the server.</exception>
    public static async Task<AdvisoryLock?> TryAcquireAsync(
        Func<CancellationToken, ValueTask<NpgsqlConnection>> open, AdvisoryLockKey key, TimeSpan lookEvery, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await open(cancellationToken).ConfigureAwait(false);
        AdvisoryLock? held = null;
        try
        {
            using (var whose = new NpgsqlCommand("SELECT pg_catalog.pg_backend_pid()", connection))
            {
                // Behind a pooler the backend is another one than the driver was told of, and its next user would inherit the lock.
                if (await whose.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is not int pid || pid != connection.ProcessID)
                    throw new NotSupportedException("A pooler stands between here and the server: a lock needs a connection that goes straight to the server.");
            }
            using var take = Command("SELECT pg_catalog.pg_try_advisory_lock(", key, connection);
            if (await take.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is true)
                held = new AdvisoryLock(connection, key, lookEvery, time);
            return held;
        }
        finally
        {
            if (held is null)
                await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Gives the lock back and closes its connection; <see cref="Lost"/> does not fire for it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_released.IsCancellationRequested)
            return;
        await _released.CancelAsync().ConfigureAwait(false);
        await _watch.ConfigureAwait(false);
        try
        {
            using var give = Command("SELECT pg_catalog.pg_advisory_unlock(", _key, _connection);
            await give.ExecuteScalarAsync().ConfigureAwait(false);
        }
        catch (PostgresException)
        {
            // A session that lives, and holds the lock: it ends here, for its pool may give it to others as it is.
            await EndSessionAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            // Broken, and the lock gone with the session: such a connection goes back to no pool.
        }
        await _connection.DisposeAsync().ConfigureAwait(false);
        _released.Dispose();
        _lost.Dispose();
    }

    private async Task EndSessionAsync()
    {
        try
        {
            using var end = new NpgsqlCommand("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())", _connection);
            await end.ExecuteScalarAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            // The end of the session is what the server answers.
        }
    }

    private async Task WatchAsync(TimeSpan lookEvery, TimeProvider time)
    {
        try
        {
            while (true)
            {
                await Task.Delay(lookEvery, time, _released.Token).ConfigureAwait(false);
                using var look = new NpgsqlCommand("SELECT 1", _connection);
                await look.ExecuteScalarAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_released.IsCancellationRequested)
        {
            // Given back.
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            await _lost.CancelAsync().ConfigureAwait(false);
        }
    }

    private static NpgsqlCommand Command(string function, AdvisoryLockKey key, NpgsqlConnection connection)
    {
        var command = new NpgsqlCommand(function + (key.IsPair ? "$1, $2)" : "$1)"), connection);
        if (key.IsPair)
        {
            command.Parameters.Add(PgParameter.Integer(key.Pair.First));
            command.Parameters.Add(PgParameter.Integer(key.Pair.Second));
        }
        else
        {
            command.Parameters.Add(PgParameter.BigInt(key.Number));
        }
        return command;
    }
}

/// <summary>Key of an advisory lock: one 64-bit number or two 32-bit numbers, which are two separate key spaces of the server.</summary>
/// <remarks>
/// Numbers that the original extensions derive with the server's <c>hashtext</c> are computed on the server, never here.
/// How <c>pg_locks</c> shows a key: <see cref="ClassId"/>, <see cref="ObjectId"/>, <see cref="ObjectSubId"/> (manual, view <c>pg_locks</c>).
/// </remarks>
internal readonly record struct AdvisoryLockKey
{
    private AdvisoryLockKey(uint classId, uint objectId, short subId) => (ClassId, ObjectId, ObjectSubId) = (classId, objectId, subId);

    /// <summary><c>pg_locks.classid</c>: the first number of a pair, or the high half of a 64-bit key.</summary>
    public uint ClassId { get; }

    /// <summary><c>pg_locks.objid</c>: the second number of a pair, or the low half of a 64-bit key.</summary>
    public uint ObjectId { get; }

    /// <summary><c>pg_locks.objsubid</c>: 2 for a pair, 1 for a 64-bit key.</summary>
    public short ObjectSubId { get; }

    /// <summary>Whether this is a pair, to be passed to the two-argument lock functions.</summary>
    public bool IsPair => ObjectSubId == 2;

    /// <summary>The 64-bit key.</summary>
    /// <exception cref="InvalidOperationException">The key is a pair.</exception>
    public long Number => IsPair ? throw new InvalidOperationException("The advisory lock key is a pair.") : unchecked((long)(((ulong)ClassId << 32) | ObjectId));

    /// <summary>The two 32-bit numbers.</summary>
    /// <exception cref="InvalidOperationException">The key is one 64-bit number.</exception>
    public (int First, int Second) Pair =>
        IsPair ? unchecked(((int)ClassId, (int)ObjectId)) : throw new InvalidOperationException("The advisory lock key is one 64-bit number.");

    /// <summary>Key for <c>pg_advisory_lock(bigint)</c>.</summary>
    /// <param name="key">The number.</param>
    /// <returns>The key.</returns>
    public static AdvisoryLockKey FromInt64(long key) => unchecked(new AdvisoryLockKey((uint)((ulong)key >> 32), (uint)key, 1));

    /// <summary>Key for <c>pg_advisory_lock(int, int)</c>.</summary>
    /// <param name="first">First number, by convention the package's.</param>
    /// <param name="second">Second number, by convention the object's.</param>
    /// <returns>The key.</returns>
    public static AdvisoryLockKey FromPair(int first, int second) => unchecked(new AdvisoryLockKey((uint)first, (uint)second, 2));

    /// <summary>The arguments as one would type them: <c>42</c> or <c>1, 2</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => ObjectSubId switch
    {
        2 => string.Create(CultureInfo.InvariantCulture, $"{Pair.First}, {Pair.Second}"),
        _ => Number.ToString(CultureInfo.InvariantCulture),
    };
}
