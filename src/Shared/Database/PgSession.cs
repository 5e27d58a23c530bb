using Npgsql;

namespace OmniPg.Shared;

/// <summary>Statements on one open connection, each with the limit of the package and the token of the call that the work belongs to.</summary>
/// <param name="connection">An open connection; whoever opened it closes it.</param>
/// <param name="seconds">Limit of a statement: a data source of the user may wait for ever, and no lock is worth that. 0 for none.</param>
/// <param name="cancellationToken">Cancels the statements.</param>
internal sealed class PgSession(NpgsqlConnection connection, int seconds, CancellationToken cancellationToken)
{
    public NpgsqlConnection Connection => connection;

    public int CommandTimeoutSeconds => seconds;

    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>The same connection without a limit, for statements whose work has no measure.</summary>
    public PgSession Unlimited => new(connection, 0, cancellationToken);

    /// <summary>The same connection for what has to be said after the call was cancelled.</summary>
    public PgSession Uncancelled => new(connection, seconds, CancellationToken.None);

    /// <summary>Runs a statement; returns the rows that it changed.</summary>
    public Task<int> ExecuteAsync(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        DoneAsync(Command(sql, parameters), command => command.ExecuteNonQueryAsync(cancellationToken));

    /// <summary>The first value of the first row; <see cref="DBNull"/> for SQL's NULL, null where there is no row.</summary>
    public Task<object?> ScalarAsync(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        DoneAsync(Command(sql, parameters), command => command.ExecuteScalarAsync(cancellationToken));

    /// <summary>All rows.</summary>
    public Task<IReadOnlyList<T>> RowsAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        DoneAsync(Command(sql, parameters), command => ReadAsync(command, read));

    /// <summary>The first row; the default where there is none.</summary>
    public async Task<T?> RowAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params NpgsqlParameter[] parameters) =>
        await RowsAsync(sql, read, parameters).ConfigureAwait(false) is [var first, ..] ? first : default;

    /// <summary>Sends a text of any number of statements as a user, the server or a script wrote it (<see cref="PlainStatements"/>).</summary>
    /// <returns>Rows that the server counted, those of SELECT included.</returns>
    public Task<long> ExecuteTextAsync(string text) => PlainStatements.ExecuteTextAsync(connection, text, seconds, cancellationToken);

    /// <summary>Runs work in one transaction that brings its settings: the session belongs to the user's pool.</summary>
    public async Task<T> InTransactionAsync<T>(Func<Task<T>> work)
    {
        var transaction = await SessionSettings.BeginAsync(async: true, connection, mayWrite: true, cancellationToken).ConfigureAwait(false);
        await using var closing = transaction.ConfigureAwait(false);
        var result = await work().ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }

    private NpgsqlCommand Command(string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = seconds };
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    private async Task<IReadOnlyList<T>> ReadAsync<T>(NpgsqlCommand command, Func<NpgsqlDataReader, T> read)
    {
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            rows.Add(read(reader));
        return rows;
    }

    private static async Task<T> DoneAsync<T>(NpgsqlCommand command, Func<NpgsqlCommand, Task<T>> run)
    {
        await using var closing = command.ConfigureAwait(false);
        return await run(command).ConfigureAwait(false);
    }
}
