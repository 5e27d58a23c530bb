using System.Runtime.CompilerServices;
using System.Transactions;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>
/// One database of a user in which a package works: connections outside any ambient transaction, work in transactions that leave no setting behind, what the
/// package has there (extension, own schema, versions) looked for once, and refusals of the server as exceptions of the package.
/// </summary>
/// <typeparam name="TTarget">What the package looks for in the database before it works, such as the place and version of its tables.</typeparam>
/// <remarks>
/// A package derives one class: <see cref="FindAsync"/> looks, <see cref="IsWorthKeeping"/> says what is remembered, <see cref="ExplainAsync"/> turns refusals
/// into its exceptions. Thread-safe. Does not own the data source.
/// </remarks>
internal abstract class PgDatabase<TTarget>(NpgsqlDataSource dataSource, TimeSpan commandTimeout)
    where TTarget : class
{
    private volatile TTarget? _known;

    public NpgsqlDataSource DataSource => dataSource;

    /// <summary>Host, port and database for messages; holds no secret.</summary>
    public string Name => ServerText.Of(dataSource.ConnectionString);

    /// <summary>What was found, once something is worth keeping.</summary>
    public TTarget? Known => _known;

    /// <summary>Limit of a statement, as the driver takes it: whole seconds, and never zero, which would mean none.</summary>
    public int CommandTimeoutSeconds { get; } = (int)Math.Max(1, Math.Ceiling(commandTimeout.TotalSeconds));

    /// <summary>Drops what was found, after an installation or when an object turned out to be missing.</summary>
    public void Forget() => _known = null;

    /// <summary>What the database holds; asked once, then remembered while it is worth keeping.</summary>
    public async ValueTask<TTarget> GetTargetAsync(PgSession session)
    {
        if (_known is { } known)
            return known;
        var found = await FindAsync(session).ConfigureAwait(false);
        if (IsWorthKeeping(found))
            _known = found;
        return found;
    }

    /// <summary>Opens a connection that takes no part in the caller's <see cref="TransactionScope"/>.</summary>
    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        outside.Complete();
        return connection;
    }

    public PgSession On(NpgsqlConnection connection, CancellationToken cancellationToken) => new(connection, CommandTimeoutSeconds, cancellationToken);

    /// <summary>Runs one piece of work in a transaction on a connection of its own and turns the server's refusals into typed exceptions.</summary>
    /// <param name="operation">What is done, for messages.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    public Task<T> RunAsync<T>(string operation, Func<PgSession, TTarget, Task<T>> work, CancellationToken cancellationToken) =>
        RunEachAsync(operation, (session, target) => session.InTransactionAsync(() => work(session, target)), cancellationToken);

    /// <summary>The same for work that commits more than once: each of its transactions goes through <see cref="PgSession.InTransactionAsync"/>.</summary>
    public async Task<T> RunEachAsync<T>(string operation, Func<PgSession, TTarget, Task<T>> work, CancellationToken cancellationToken)
    {
        TTarget? target = null;
        return await GuardAsync(operation, async () =>
        {
            var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            var session = On(connection, cancellationToken);
            target = _known ?? await session.InTransactionAsync(() => GetTargetAsync(session).AsTask()).ConfigureAwait(false);
            return await work(session, target).ConfigureAwait(false);
        }, () => target, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Streams the rows of one query on a connection of its own, with constant memory.</summary>
    /// <param name="operation">What is done, for messages.</param>
    /// <param name="query">The query, written for what the database holds.</param>
    /// <param name="read">Reads one row.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    public async IAsyncEnumerable<T> StreamAsync<T>(
        string operation, Func<TTarget, NpgsqlCommand> query, Func<NpgsqlDataReader, T> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TTarget? target = null;
        Task<TResult> Guarded<TResult>(Func<Task<TResult>> step) => GuardAsync(operation, step, () => target, cancellationToken);

        var connection = await Guarded(() => OpenAsync(cancellationToken).AsTask()).ConfigureAwait(false);
        await using var closingConnection = connection.ConfigureAwait(false);
        var transaction = await Guarded(() => SessionSettings.BeginAsync(async: true, connection, mayWrite: false, cancellationToken).AsTask()).ConfigureAwait(false);
        await using var closingTransaction = transaction.ConfigureAwait(false);
        target = await Guarded(() => GetTargetAsync(On(connection, cancellationToken)).AsTask()).ConfigureAwait(false);
        using var command = query(target);
        (command.Connection, command.CommandTimeout) = (connection, CommandTimeoutSeconds);
        var rows = await Guarded(() => command.ExecuteReaderAsync(cancellationToken)).ConfigureAwait(false);
        await using var closingRows = rows.ConfigureAwait(false);
        while (await Guarded(() => rows.ReadAsync(cancellationToken)).ConfigureAwait(false))
            yield return read(rows);
    }

    /// <summary>Runs a piece of work; what <see cref="ExplainAsync"/> explains comes out as its exception.</summary>
    /// <param name="operation">What is done, for messages.</param>
    /// <param name="work">The work.</param>
    /// <param name="target">What is known of the database when the work fails; null when it failed before that.</param>
    /// <param name="cancellationToken">Cancels the work and the question why it failed.</param>
    public async Task<T> GuardAsync<T>(string operation, Func<Task<T>> work, Func<TTarget?> target, CancellationToken cancellationToken)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (NpgsqlException error)
        {
            if (await ExplainAsync(error, operation, target(), cancellationToken).ConfigureAwait(false) is { } explained)
                throw explained;
            throw;
        }
    }

    /// <summary>Looks for what the package has in this database, with a few statements that only read.</summary>
    protected abstract ValueTask<TTarget> FindAsync(PgSession session);

    /// <summary>Whether what was found is remembered: not while something is missing that may come.</summary>
    protected abstract bool IsWorthKeeping(TTarget found);

    /// <summary>The package's exception for an error that means something here; null for any other, which is thrown as it is.</summary>
    /// <param name="error">What the server refused, or what became of the connection.</param>
    /// <param name="operation">What was done.</param>
    /// <param name="target">What is known of the database; null before it was looked at.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    protected abstract ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, TTarget? target, CancellationToken cancellationToken);
}
