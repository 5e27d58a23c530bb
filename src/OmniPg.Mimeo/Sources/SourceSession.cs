using System.Globalization;
using System.Transactions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>A source during one refresh: a connection whose one transaction reads catalogs and rows from the same snapshot.</summary>
internal sealed class SourceSession : IAsyncDisposable
{
    // Kinds that LOCK TABLE takes, where the role may: what it may not read is told with the GRANT later.
    private const string Lockable =
        """
        SELECT n.nspname::text, c.relname::text FROM unnest($1, $2) AS w (schema, relname)
        JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.relname
        WHERE c.relkind IN ('r', 'p') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY c.oid
        """;

    // A standby that has not replayed all that it has received, or receives nothing, shows the state of an earlier time: what is written until then on its primary may lie below now.
    private const string Clock =
        """
        SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() OR pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) THEN pg_catalog.now()
            ELSE least(pg_catalog.now(), coalesce(pg_catalog.pg_last_xact_replay_timestamp(), (SELECT checkpoint_time FROM pg_catalog.pg_control_checkpoint()))) END
        """;

    // What is open in this database, whoever has it: who has not written yet may write with the time of its begin. A transaction that is prepared does not tell when it began.
    private const string Oldest =
        """
        SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), quote_ident(current_user),
            (SELECT min(xact_start) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND backend_type NOT IN ('autovacuum worker', 'walsender')),
            (SELECT min(prepared) FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()),
            EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND state = 'disabled')
        """;

    private readonly NpgsqlDataSource _dataSource;
    private NpgsqlTransaction? _transaction;
    private bool _hasAnswered;

    private SourceSession(string name, NpgsqlDataSource dataSource, PgSession session, Throttle? throttle) => (Name, _dataSource, Session, Throttle) = (name, dataSource, session, throttle);

    /// <summary>Name of the source, for messages.</summary>
    public string Name { get; }

    public PgSession Session { get; }

    /// <summary>What holds copies out of the source back; null for nothing.</summary>
    public Throttle? Throttle { get; }

    /// <summary>The source's clock before the snapshot, or of what a standby had replayed by then; null for tables that no time bounds.</summary>
    public DateTimeOffset? Now { get; private set; }

    /// <summary>What was open before the snapshot; null where no table asks for it.</summary>
    public OpenTransactions? Open { get; private set; }

    /// <summary>Another connection to the same source; it ends before this one.</summary>
    public Task<SourceSession> AnotherAsync(CancellationToken cancellationToken) => OpenAsync(Name, _dataSource, Throttle, Session.CommandTimeoutSeconds, cancellationToken);

    /// <summary>Connects; nothing is read yet.</summary>
    /// <param name="name">Name of the source.</param>
    /// <param name="dataSource">Its data source.</param>
    /// <param name="throttle">What holds copies out of it back; null for nothing.</param>
    /// <param name="seconds">Limit of a statement that reads catalogs.</param>
    /// <param name="cancellationToken">Cancels all of it.</param>
    public static async Task<SourceSession> OpenAsync(string name, NpgsqlDataSource dataSource, Throttle? throttle, int seconds, CancellationToken cancellationToken)
    {
        try
        {
            using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
            var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            outside.Complete();
            return new SourceSession(name, dataSource, new PgSession(connection, seconds, cancellationToken), throttle);
        }
        // src/backend/utils/init/postinit.c, CheckMyDatabase: the role is known, but may not use the database.
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            var settings = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);
            // A role that the driver takes from the environment stands nowhere here.
            throw new MimeoPermissionException(name, $"connect to '{ServerText.Of(dataSource.ConnectionString)}'", settings.Username is { } role
                ? $"GRANT CONNECT ON DATABASE {PgIdentifier.Create(settings.Database ?? role).Quoted} TO {PgIdentifier.Create(role).Quoted};" : null, error);
        }
        catch (NpgsqlException error)
        {
            throw new SourceConnectionException(name, ServerText.Of(dataSource.ConnectionString), error);
        }
    }

    /// <summary>Takes the snapshot that everything from now on is read from. Row security must not hide rows silently: it makes the copy fail.</summary>
    /// <remarks>
    /// The tables are locked before the snapshot is taken: one that is rewritten in between (ALTER TABLE, TRUNCATE) has no rows that an older snapshot sees.
    /// A queue is emptied in this transaction, which commits behind the destination's, so whoever is at the same queue has to be over before the snapshot.
    /// </remarks>
    /// <param name="lockTimeout">Longest wait for a lock.</param>
    /// <param name="specs">What will be read.</param>
    public async Task TakeSnapshotAsync(TimeSpan lockTimeout, params IReadOnlyList<ReplicationSpec> specs)
    {
        var queues = specs.Where(s => s.Queue is not null).ToArray();
        var readable = await AskAsync(specs[0].Source, source => source.RowsAsync(Lockable, row => QualifiedName.Create(row.GetString(0), row.GetString(1)),
            PgParameter.Texts(specs.Select(s => s.Source.Schema!.Value.Value)), PgParameter.Texts(specs.Select(s => s.Source.Name.Value)))).ConfigureAwait(false);
        // Behind the snapshot a standby may have replayed what the snapshot does not show.
        Now = specs.Any(s => s.Cursor?.TimeBoundary is not null)
            ? await AskAsync(specs[0].Source, source => source.RowAsync(Clock, row => row.Instant(0))).ConfigureAwait(false) : null;
        // Behind the clock: what begins later has a later time than it.
        Open = specs.Any(s => s.Cursor?.Mode == BoundaryMode.OldestTransaction) ? await AskAsync(specs[0].Source, source => source.RowAsync(Oldest, row => new OpenTransactions(
            row.GetBoolean(0) ? $"source '{Name}' is a standby, which does not know what is open at its primary"
                : !row.GetBoolean(1) ? $"the role may not see the transactions of others at source '{Name}' (GRANT pg_read_all_stats TO {row.GetString(2)};)"
                : row.GetBoolean(5) ? $"sessions at source '{Name}' tell nothing of themselves (track_activities = off)" : null,
            row.Instant(3), row.Instant(4)))).ConfigureAwait(false) : null;
        _transaction = await Session.Connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Session.CancellationToken).ConfigureAwait(false);
        await Session.ExecuteAsync(queues.Length > 0 ? "SET TRANSACTION READ WRITE" : "SET TRANSACTION READ ONLY").ConfigureAwait(false);
        await Session.ExecuteAsync("SET LOCAL row_security = off").ConfigureAwait(false);
        await Session.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"SET LOCAL lock_timeout = {(long)lockTimeout.TotalMilliseconds}")).ConfigureAwait(false);
        foreach (var spec in queues)
            await AskAsync(spec.Source, source => LockQueueAsync(source, spec)).ConfigureAwait(false);
        foreach (var table in readable)
            await AskAsync(table, source => source.Unlimited.ExecuteAsync($"LOCK TABLE {table.Quoted} IN ACCESS SHARE MODE")).ConfigureAwait(false);
        await AskAsync(specs[0].Source, async source =>
        {
            await CopySettings.AgreeAsync(source, lockTimeout).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    /// <summary>Reads from a snapshot that another session of the source has exported and still holds.</summary>
    public Task ImportSnapshotAsync(QualifiedName table, TimeSpan lockTimeout, string snapshot) => AskAsync(table, async source =>
    {
        _transaction = await source.Connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, source.CancellationToken).ConfigureAwait(false);
        await source.ExecuteAsync($"SET TRANSACTION SNAPSHOT {PgLiteral.Quote(snapshot)}").ConfigureAwait(false);
        await source.ExecuteAsync("SET TRANSACTION READ ONLY").ConfigureAwait(false);
        await source.ExecuteAsync("SET LOCAL row_security = off").ConfigureAwait(false);
        await CopySettings.AgreeAsync(source, lockTimeout).ConfigureAwait(false);
        return true;
    });

    /// <summary>Keeps what was done at the source.</summary>
    public async Task CommitAsync()
    {
        // Not to be cancelled: the destination has the rows.
        await _transaction!.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>Gives the snapshot back; what was not committed is undone.</summary>
    public async Task EndAsync()
    {
        if (_transaction is not null)
            await _transaction.DisposeAsync().ConfigureAwait(false);
        _transaction = null;
    }

    /// <summary>Changes something at the source in a transaction of its own, outside of any snapshot.</summary>
    public Task<T> ChangeAsync<T>(QualifiedName table, TimeSpan lockTimeout, Func<PgSession, Task<T>> work) => AskAsync(table, source => source.InTransactionAsync(async () =>
    {
        await source.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"SET LOCAL lock_timeout = {(long)lockTimeout.TotalMilliseconds}")).ConfigureAwait(false);
        return await work(source.Unlimited).ConfigureAwait(false);
    }));

    // Does not hinder those who add to it.
    private static async Task<int> LockQueueAsync(PgSession source, ReplicationSpec spec)
    {
        try
        {
            return await source.Unlimited.ExecuteAsync($"LOCK TABLE {spec.Queue!.Value.Quoted} IN SHARE UPDATE EXCLUSIVE MODE").ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new QueueMissingException(spec.Target, spec.Queue!.Value, error);
        }
    }

    /// <summary>Asks the source; what it refuses comes out as an error that names it, for another server's would be taken for the destination's.</summary>
    /// <param name="table">What is read.</param>
    /// <param name="ask">The question.</param>
    public async Task<T> AskAsync<T>(QualifiedName table, Func<PgSession, Task<T>> ask)
    {
        try
        {
            try
            {
                return Answered(await ask(Session).ConfigureAwait(false));
            }
            // A pool does not see that the server has ended a session that did nothing: who asks it first does.
            catch (NpgsqlException) when (!_hasAnswered && Session.Connection.State != System.Data.ConnectionState.Open)
            {
                await Session.Connection.CloseAsync().ConfigureAwait(false);
                using (var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled))
                {
                    await Session.Connection.OpenAsync(Session.CancellationToken).ConfigureAwait(false);
                    outside.Complete();
                }
                return Answered(await ask(Session).ConfigureAwait(false));
            }
        }
        catch (NpgsqlException error)
        {
            throw error switch
            {
                PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.ObjectInUse } => new MimeoLockException(table, $"read it at source '{Name}'", error),
                PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } => new MimeoPermissionException(Name, $"read '{table}'", null, error),
                _ => new SourceConnectionException(Name, ServerText.Of(Session.Connection.ConnectionString), error),
            };
        }
    }

    private T Answered<T>(T answer)
    {
        _hasAnswered = true;
        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync().ConfigureAwait(false);
        await Session.Connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Transactions that were open at a source.</summary>
    /// <param name="Unknown">Why they are not known; null where they are.</param>
    /// <param name="Oldest">When the oldest one began; null where there is none.</param>
    /// <param name="Prepared">When the oldest one that waits for COMMIT PREPARED was prepared; null where none does.</param>
    public sealed record OpenTransactions(string? Unknown, DateTimeOffset? Oldest, DateTimeOffset? Prepared);
}
