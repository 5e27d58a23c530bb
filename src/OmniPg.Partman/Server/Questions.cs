using Npgsql;

namespace OmniPg.Partman;

/// <summary>Questions that go to the server together: one round trip, however many there are. Each has a snapshot of its own, as statements of a transaction have.</summary>
internal sealed class Questions : IDisposable
{
    private readonly PgSession _session;
    private readonly NpgsqlBatch _batch;
    private readonly List<Func<NpgsqlDataReader, Task>> _readers = [];

    public Questions(PgSession session) => (_session, _batch) = (session, new NpgsqlBatch(session.Connection) { Timeout = session.CommandTimeoutSeconds });

    /// <summary>Begins a transaction with the settings of this package, which only reads and outlives these questions.</summary>
    public void Begin()
    {
        SessionSettings.OpenReading(_batch);
        _readers.Add(NothingAsync);
        foreach (var setting in PartmanDatabase.ReadableText.Split("; "))
            Tell(setting);
    }

    /// <summary>Begins a transaction that writes; <see cref="Commit"/> has to end it.</summary>
    public void BeginWriting()
    {
        SessionSettings.Open(_batch, TimeSpan.Zero);
        _readers.Add(NothingAsync);
    }

    /// <summary>Ends the transaction.</summary>
    public void Commit() => Tell(SessionSettings.Commit);

    /// <summary>Adds a statement without rows.</summary>
    public void Tell(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        _batch.BatchCommands.Add(command);
    }

    /// <summary>Adds a query.</summary>
    /// <returns>Its rows, which are there behind <see cref="SendAsync"/>.</returns>
    public IReadOnlyList<T> Ask<T>(string sql, Func<NpgsqlDataReader, T> read, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var rows = new List<T>();
        Tell(sql, parameters);
        _readers.Add(async reader =>
        {
            while (await reader.ReadAsync(_session.CancellationToken).ConfigureAwait(false))
                rows.Add(read(reader));
        });
        return rows;
    }

    public async Task SendAsync()
    {
        if (_batch.BatchCommands.Count == 0)
            return;
        var reader = await _batch.ExecuteReaderAsync(_session.CancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        foreach (var read in _readers)
        {
            await read(reader).ConfigureAwait(false);
            await reader.NextResultAsync(_session.CancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose() => _batch.Dispose();

    private static Task NothingAsync(NpgsqlDataReader reader) => Task.CompletedTask;
}
