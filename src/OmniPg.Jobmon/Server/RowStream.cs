using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Rows of one query on a connection of its own; refusals of the server come out as typed exceptions.</summary>
internal sealed class RowStream(JobmonDatabase database, string operation) : IAsyncDisposable
{
    private NpgsqlConnection? _connection;
    private NpgsqlTransaction? _transaction;
    private NpgsqlDataReader? _reader;
    private JobmonServer? _server;

    public NpgsqlDataReader Reader => _reader!;

    /// <param name="makeCommand">The query, written for what the database holds.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public Task OpenAsync(Func<JobmonServer, NpgsqlCommand> makeCommand, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        _connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        _transaction = await SessionSettings.BeginAsync(async: true, _connection, mayWrite: false, cancellationToken).ConfigureAwait(false);
        _server = await database.GetServerAsync(_connection, cancellationToken).ConfigureAwait(false);
        using var command = makeCommand(_server.RequireInstalled());
        command.Connection = _connection;
        command.CommandTimeout = database.CommandTimeoutSeconds;
        _reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    public Task<bool> NextAsync(CancellationToken cancellationToken) => GuardAsync(() => Reader.ReadAsync(cancellationToken), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_reader is not null)
            await _reader.DisposeAsync().ConfigureAwait(false);
        if (_transaction is not null)
            await _transaction.DisposeAsync().ConfigureAwait(false);
        if (_connection is not null)
            await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<bool> GuardAsync(Func<Task<bool>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InvalidRegularExpression)
        {
            throw new ArgumentException($"The server refuses the regular expression: {refusal.MessageText}", refusal);
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege && _server is not null)
        {
            throw await database.ExplainAsync(_server, operation, refusal, cancellationToken).ConfigureAwait(false);
        }
        catch (NpgsqlException error) when (database.Translate(error, operation, _server) is { } typed)
        {
            throw typed;
        }
    }
}
