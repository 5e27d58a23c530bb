using Npgsql;

namespace OmniPg.Mimeo.Tests;

/// <summary>A pipe between two open transactions, as a refresh has it.</summary>
internal sealed class PipeRun : IAsyncDisposable
{
    private readonly TwoDatabases _databases;
    private NpgsqlTransaction _reading = null!;
    private NpgsqlTransaction _writing = null!;

    private PipeRun(TwoDatabases databases) => _databases = databases;

    public NpgsqlConnection Source { get; private set; } = null!;

    public NpgsqlConnection Destination { get; private set; } = null!;

    public static async Task<PipeRun> BeginAsync(TwoDatabases databases)
    {
        // As the client makes them: each read of the socket allocates, so it reads much at once.
        var settings = new NpgsqlConnectionStringBuilder(databases.Source.ConnectionString) { ReadBufferSize = 64 * 1024, CommandTimeout = 0 };
        var run = new PipeRun(databases) { Source = new NpgsqlConnection(settings.ConnectionString), Destination = await databases.Destination.DataSource.OpenConnectionAsync() };
        await run.Source.OpenAsync();
        run._reading = await run.Source.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        run._writing = await run.Destination.BeginTransactionAsync();
        return run;
    }

    public CopyPipe Pipe(string query, string table, CopyFormat format = CopyFormat.Binary, int bufferBytes = 64 * 1024, long partBytes = 64 << 20, bool freeze = false,
        Func<CancellationToken, Task>? cancelDestination = null, TimeSpan? abandonTime = null)
    {
        var pid = Destination.ProcessID;
        return new CopyPipe
        {
            Source = Source, Query = query, Destination = Destination, Into = table, Name = QualifiedName.Parse(table), Format = format,
            BufferBytes = bufferBytes, PartBytes = partBytes, Freeze = freeze, AbandonTime = abandonTime ?? TimeSpan.FromSeconds(10), CancelDestination = cancelDestination ?? (async cancellation =>
            {
                await using var command = _databases.Destination.DataSource.CreateCommand($"SELECT pg_cancel_backend({pid})");
                await command.ExecuteScalarAsync(cancellation);
            }),
        };
    }

    public Task CommitAsync() => _writing.CommitAsync();

    public async ValueTask DisposeAsync()
    {
        await DisposeOneAsync(_reading, Source);
        await DisposeOneAsync(_writing, Destination);
    }

    private static async Task DisposeOneAsync(NpgsqlTransaction transaction, NpgsqlConnection connection)
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }
}
