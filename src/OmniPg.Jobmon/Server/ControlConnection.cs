using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Short statements on one connection, each within a limit, with synchronous I/O unless said otherwise.</summary>
/// <remarks>
/// A data source given by the user may wait for ever; a control thread that does takes all locks and heartbeats with it. In a session
/// that is not ours each statement is a transaction with its own settings.
/// </remarks>
internal readonly struct ControlConnection(NpgsqlConnection connection, TimeSpan limit, bool borrowed)
{
    public void Execute(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        using var batch = Batch(sql, parameters);
        batch.ExecuteNonQuery();
    }

    /// <summary>The same for other threads than the control thread, on connections of their own.</summary>
    public async ValueTask ExecuteAsync(bool async, string sql, NpgsqlParameter parameter)
    {
        using var batch = Batch(sql, [parameter]);
        if (async)
            await batch.ExecuteNonQueryAsync().ConfigureAwait(false);
        else
            batch.ExecuteNonQuery();
    }

    /// <summary>The first value of the result; the default where there is none or it is null.</summary>
    public T? Scalar<T>(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        Rows(sql, static row => row.GetValue(0), parameters) is [T value, ..] ? value : default;

    /// <summary>Every row of the result, each read by <paramref name="read"/>.</summary>
    public List<T> Rows<T>(string sql, Func<NpgsqlDataReader, T> read, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        using var batch = Batch(sql, parameters);
        using var row = batch.ExecuteReader();
        // The settings answer first.
        if (borrowed)
            row.NextResult();
        var rows = new List<T>();
        while (row.Read())
            rows.Add(read(row));
        // To the very end: only then the transaction is known to be committed.
        row.NextResult();
        return rows;
    }

    private NpgsqlBatch Batch(string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var batch = new NpgsqlBatch(connection) { Timeout = OwnConnections.Seconds(limit) };
        if (borrowed)
            SessionSettings.Open(batch, limit);
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
        if (borrowed)
            batch.BatchCommands.Add(new NpgsqlBatchCommand(SessionSettings.Commit));
        return batch;
    }
}
