using System.Data;
using System.Globalization;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>What a statement of a package needs of its session, whatever the role or database has set, and how long it may hold.</summary>
/// <remarks>
/// The one place that knows whose session it is. Only a connection of the own pool that is proven to be the backend's own (its process
/// id is the one that the server gave at the start) gets session settings. Every other session belongs to somebody else as well: a data
/// source of the user, or a transaction pooler, whose backend serves another application a moment later. There a setting ends with the
/// transaction that it was made in; nothing is prepared by name, locked or listened to for longer.
/// </remarks>
internal static class SessionSettings
{
    /// <summary>First command of a batch in a session that is not ours; on a standby refused with 0A000 (xact.c, check_transaction_read_only).</summary>
    public const string Begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE";

    /// <summary>Last command of such a batch.</summary>
    public const string Commit = "COMMIT";

    // $1 limit of a statement in ms, $2 that of a lock, the shorter one, so that the error names the lock; 0 for none. $3 durability of
    // the commit, null for that of the role. The encoding is what the driver reads: a reset behind a pooler gives back that of the role. One row.
    private const string Local =
        """
        SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('statement_timeout', $1, true),
            pg_catalog.set_config('lock_timeout', $2, true), pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
            pg_catalog.set_config('client_encoding', 'UTF8', true),
            CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL THEN pg_catalog.set_config('transaction_timeout', '0', true) END,
            CASE WHEN $3 IS NOT NULL THEN pg_catalog.set_config('synchronous_commit', $3, true) END
        """;

    /// <summary>
    /// $1 limit of a statement in ms, $2 backend that the driver was told of at the start. Returns the server's time and whether this is
    /// that backend; only then the session is ours alone and is set for its life. Names unknown to an older server are passed over.
    /// </summary>
    public const string Own =
        """
        SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_backend_pid() = $2
        FROM (SELECT count(pg_catalog.set_config(s.name, v.setting, false))
              FROM pg_catalog.pg_settings s
              JOIN (VALUES ('search_path', 'pg_catalog, pg_temp'), ('statement_timeout', $1), ('lock_timeout', ($1::bigint * 9 / 10)::text),
                           ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
                           ('default_transaction_read_only', 'off'), ('default_transaction_isolation', 'read committed'),
                           ('default_transaction_deferrable', 'off')) AS v (name, setting) USING (name)
              WHERE pg_catalog.pg_backend_pid() = $2) AS done (n)
        WHERE n >= 0
        """;

    /// <summary>What opens a batch of writes in a session that is not ours; <see cref="Commit"/> has to close it. One result row.</summary>
    /// <param name="batch">The batch, still empty.</param>
    /// <param name="limit">Limit of a statement.</param>
    /// <param name="durability">Value of <c>synchronous_commit</c>; null for that of the role.</param>
    public static void Open(NpgsqlBatch batch, TimeSpan limit, string? durability = null)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand(Begin));
        batch.BatchCommands.Add(Settings((long)limit.TotalMilliseconds, durability));
    }

    /// <summary>
    /// What opens a batch that only reads, a standby's as well. The transaction goes on behind the batch, until <see cref="Commit"/> or the end of the
    /// connection. One result row.
    /// </summary>
    /// <param name="batch">The batch, still empty.</param>
    public static void OpenReading(NpgsqlBatch batch)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE"));
        batch.BatchCommands.Add(Settings(0, null));
    }

    /// <summary>
    /// A transaction with these settings on a connection that is not ours, for statements whose limit the driver keeps. A standby gets
    /// one that only reads.
    /// </summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="connection">An open connection outside any transaction.</param>
    /// <param name="mayWrite">Whether writes are to come: a role may have turned them off by default.</param>
    /// <param name="cancellationToken">Cancels the begin.</param>
    public static async ValueTask<NpgsqlTransaction> BeginAsync(bool async, NpgsqlConnection connection, bool mayWrite, CancellationToken cancellationToken)
    {
        var transaction = async
            ? await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken).ConfigureAwait(false)
            : connection.BeginTransaction(IsolationLevel.ReadCommitted);
        try
        {
            using var batch = new NpgsqlBatch(connection, transaction);
            // Before the first snapshot, which any query takes.
            if (mayWrite)
                batch.BatchCommands.Add(new NpgsqlBatchCommand("SET TRANSACTION READ WRITE"));
            batch.BatchCommands.Add(Settings(0, null));
            if (async)
                await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            else
                batch.ExecuteNonQuery();
            return transaction;
        }
        catch (Exception error)
        {
            await SyncCall.CloseAsync(async, transaction).ConfigureAwait(false);
            if (!mayWrite || error is not PostgresException { SqlState: PostgresErrorCodes.FeatureNotSupported })
                throw;
        }

        return await BeginAsync(async, connection, mayWrite: false, cancellationToken).ConfigureAwait(false);
    }

    private static NpgsqlBatchCommand Settings(long limit, string? durability) => new(Local)
    {
        Parameters =
        {
            PgParameter.Text(limit.ToString(CultureInfo.InvariantCulture)), PgParameter.Text((limit * 9 / 10).ToString(CultureInfo.InvariantCulture)),
            PgParameter.Text(durability),
        },
    };
}
