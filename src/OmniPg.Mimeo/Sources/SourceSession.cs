using System.Globalization;
using System.Transactions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>A source during one refresh: a connection whose one transaction reads catalogs and rows from the same snapshot.</summary>
internal sealed class SourceSession : IAsyncDisposable
{
    /// <summary>What both ends of a copy have to agree on, for the length of their transactions. $1 longest wait for a lock in ms.</summary>
    private const string CopySettings =
        """
        SELECT pg_catalog.set_config('lock_timeout', $1, true), pg_catalog.set_config('client_encoding', 'UTF8', true), pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
            pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('extra_float_digits', '3', true), pg_catalog.set_config('bytea_output', 'hex', true),
            pg_catalog.set_config('lc_monetary', 'C', true), pg_catalog.set_config('statement_timeout', '0', true),
            pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)
        """;

    private readonly NpgsqlDataSource? _owned;
    private NpgsqlTransaction? _transaction;

    private SourceSession(string name, NpgsqlDataSource? owned, PgSession session) => (Name, _owned, Session) = (name, owned, session);

    /// <summary>Name of the source, for messages.</summary>
    public string Name { get; }

    public PgSession Session { get; }

    /// <summary>Connects; nothing is read yet.</summary>
    /// <param name="name">Name of the source.</param>
    /// <param name="dataSource">The caller's data source; null makes one of <paramref name="connectionString"/>.</param>
    /// <param name="connectionString">As stored.</param>
    /// <param name="seconds">Limit of a statement that reads catalogs.</param>
    /// <param name="cancellationToken">Cancels all of it.</param>
    public static async Task<SourceSession> OpenAsync(string name, NpgsqlDataSource? dataSource, string connectionString, int seconds, CancellationToken cancellationToken)
    {
        var owned = dataSource is null ? NpgsqlDataSource.Create(connectionString) : null;
        try
        {
            using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
            var connection = await (dataSource ?? owned!).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            outside.Complete();
            return new SourceSession(name, owned, new PgSession(connection, seconds, cancellationToken));
        }
        catch (Exception error)
        {
            if (owned is not null)
                await owned.DisposeAsync().ConfigureAwait(false);
            if (error is NpgsqlException)
                throw new SourceConnectionException(name, ServerText.Of(dataSource?.ConnectionString ?? connectionString), error);
            throw;
        }
    }

    /// <summary>Brings a transaction of a copy, on either side, to the settings of both.</summary>
    public static Task AgreeAsync(PgSession session, TimeSpan lockTimeout) =>
        session.ScalarAsync(CopySettings, PgParameter.Text(((long)lockTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)));

    /// <summary>Takes the snapshot that everything from now on is read from. Row security must not hide rows silently: it makes the copy fail.</summary>
    public async Task TakeSnapshotAsync(TimeSpan lockTimeout)
    {
        _transaction = await Session.Connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Session.CancellationToken).ConfigureAwait(false);
        await Session.ExecuteAsync("SET TRANSACTION READ ONLY").ConfigureAwait(false);
        await Session.ExecuteAsync("SET LOCAL row_security = off").ConfigureAwait(false);
        await AgreeAsync(Session, lockTimeout).ConfigureAwait(false);
    }

    /// <summary>Asks the source; what it refuses comes out as an error that names it, for another server's would be taken for the destination's.</summary>
    /// <param name="table">What is read.</param>
    /// <param name="ask">The question.</param>
    public async Task<T> AskAsync<T>(QualifiedName table, Func<PgSession, Task<T>> ask)
    {
        try
        {
            return await ask(Session).ConfigureAwait(false);
        }
        catch (NpgsqlException error)
        {
            throw error switch
            {
                PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected } => new MimeoLockException(table, $"read it at source '{Name}'", error),
                PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } => new MimeoPermissionException(Name, $"read '{table}'", null, error),
                _ => new SourceConnectionException(Name, ServerText.Of(Session.Connection.ConnectionString), error),
            };
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_transaction is not null)
            await _transaction.DisposeAsync().ConfigureAwait(false);
        await Session.Connection.DisposeAsync().ConfigureAwait(false);
        if (_owned is not null)
            await _owned.DisposeAsync().ConfigureAwait(false);
    }
}
