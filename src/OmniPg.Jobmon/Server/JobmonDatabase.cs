using System.Runtime.CompilerServices;
using System.Transactions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One database with a job log: opens connections outside any ambient transaction and remembers what detection found.</summary>
/// <remarks>Thread-safe. Does not own the data source.</remarks>
internal sealed class JobmonDatabase(NpgsqlDataSource dataSource, PgIdentifier? schema, PgIdentifier sideSchema, TimeSpan commandTimeout)
{
    private volatile JobmonServer? _server;

    public PgIdentifier? ConfiguredSchema => schema;

    public PgIdentifier SideSchema => sideSchema;

    /// <summary>What was detected, once it was and something is installed.</summary>
    public JobmonServer? Known => _server;

    public int CommandTimeoutSeconds => (int)Math.Max(1, Math.Ceiling(commandTimeout.TotalSeconds));

    /// <summary>Drops what was detected, after an installation or when an object turned out to be missing.</summary>
    public void Forget() => _server = null;

    /// <summary>What the database holds; asked once, then remembered while something is installed.</summary>
    public async ValueTask<JobmonServer> GetServerAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        _server ?? Remember(await JobmonServerDetector.DetectAsync(connection, schema, sideSchema, CommandTimeoutSeconds, cancellationToken).ConfigureAwait(false));

    /// <inheritdoc cref="GetServerAsync"/>
    public JobmonServer GetServer(NpgsqlConnection connection) => _server ?? Remember(JobmonServerDetector.Detect(connection, schema, sideSchema, CommandTimeoutSeconds));

    /// <summary>Runs one piece of work in a transaction on a connection of its own and turns the server's refusals into typed exceptions.</summary>
    public Task<T> RunAsync<T>(
        string operation, Func<NpgsqlConnection, JobmonServer, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        RunEachAsync(
            operation,
            (connection, server, ct) => InTransactionAsync(connection, () => work(connection, server, ct), ct),
            cancellationToken);

    /// <summary>The same for work that commits more than once: each of its transactions goes through <see cref="InTransactionAsync"/>.</summary>
    public async Task<T> RunEachAsync<T>(
        string operation, Func<NpgsqlConnection, JobmonServer, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        JobmonServer? server = null;
        try
        {
            var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
            await using var closingConnection = connection.ConfigureAwait(false);
            try
            {
                server = _server ?? await InTransactionAsync(
                    connection, () => GetServerAsync(connection, cancellationToken).AsTask(), cancellationToken).ConfigureAwait(false);
                return await work(connection, server, cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege && server is not null)
            {
                throw await ExplainAsync(server, operation, refusal, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (PostgresException refusal) when (refusal.SqlState is PostgresErrorCodes.InvalidDatetimeFormat or PostgresErrorCodes.IntervalFieldOverflow
            or PostgresErrorCodes.DatetimeFieldOverflow)
        {
            throw new ArgumentException($"The server does not take the interval: {refusal.MessageText}", refusal);
        }
        catch (NpgsqlException error) when (Translate(error, operation, server) is { } typed)
        {
            throw typed;
        }
    }

    /// <summary>Runs a piece of work in one transaction that brings its settings: the session belongs to the user's pool.</summary>
    public static async Task<T> InTransactionAsync<T>(NpgsqlConnection connection, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var transaction = await SessionSettings.BeginAsync(async: true, connection, mayWrite: true, cancellationToken).ConfigureAwait(false);
        await using var closing = transaction.ConfigureAwait(false);
        var result = await work().ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }

    /// <summary>Streams rows of one query on a connection of its own.</summary>
    public async IAsyncEnumerable<T> StreamAsync<T>(
        string operation, Func<JobmonServer, NpgsqlCommand> makeCommand, Func<NpgsqlDataReader, T> read,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var rows = new RowStream(this, operation);
        await using var closing = rows.ConfigureAwait(false);
        await rows.OpenAsync(makeCommand, cancellationToken).ConfigureAwait(false);
        while (await rows.NextAsync(cancellationToken).ConfigureAwait(false))
            yield return read(rows.Reader);
    }

    /// <summary>Finds the missing right behind a refusal with SQLSTATE 42501.</summary>
    public ValueTask<JobmonPermissionException> ExplainAsync(
        JobmonServer server, string operation, PostgresException refusal, CancellationToken cancellationToken) =>
        JobmonPermissions.ExplainAsync(async: true, dataSource, server, operation, refusal, cancellationToken);

    /// <summary>Opens a connection that takes no part in the caller's <see cref="TransactionScope"/>.</summary>
    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        outside.Complete();
        return connection;
    }

    /// <summary>The typed exception for a refusal that means something here, else <see langword="null"/>.</summary>
    public JobmonException? Translate(NpgsqlException error, string operation, JobmonServer? server)
    {
        if (error is not PostgresException refusal)
            return new JobmonUnavailableException(operation, ServerText.Of(dataSource.ConnectionString), error.Message, error);
        switch (refusal.SqlState)
        {
            case PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName when server is not null:
                Forget();
                return new JobmonNotInstalledException(server.Database, server.Schema.Value, refusal);
            case PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.AdminShutdown
                or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.LockNotAvailable
                // A pooler has given the connection another backend.
                or PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement:
                return new JobmonUnavailableException(operation, ServerText.Of(dataSource.ConnectionString), refusal.MessageText, refusal);
            default:
                return JobmonUnavailableException.IsLogin(refusal)
                    ? new JobmonUnavailableException(operation, ServerText.Of(dataSource.ConnectionString), refusal.MessageText, refusal) : null;
        }
    }

    private JobmonServer Remember(JobmonServer found)
    {
        if (found.Mode != JobmonMode.NotInstalled)
            _server = found;
        return found;
    }
}
