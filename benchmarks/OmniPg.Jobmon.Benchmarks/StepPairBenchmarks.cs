using BenchmarkDotNet.Attributes;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does one recorded step cost, from begin to end?</summary>
[MemoryDiagnoser]
public class StepPairBenchmarks
{
    private BenchmarkLog _log = null!;
    private NpgsqlConnection _caller = null!;
    private IJob _job = null!;
    private JobmonClient _borrowing = null!;
    private IJob _borrowed = null!;
    private IStep _chain = null!;
    private long _jobId;
    private string _baseline = "";

    // Not async: the in-process run does not wait for an asynchronous setup.
    [GlobalSetup]
    public void Setup() => SetupAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public void Cleanup() => CleanupAsync().GetAwaiter().GetResult();

    private async Task SetupAsync()
    {
        _log = await BenchmarkLog.StartAsync();
        _caller = await _log.DataSource.OpenConnectionAsync();
        _job = await _log.Jobmon.StartAsync("benchmark");
        _chain = await _job.StepAsync("first");
        _borrowing = _log.Client(new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw, Liveness = LivenessMode.Heartbeat });
        _borrowed = await _borrowing.StartAsync("borrowed");
        _jobId = _log.HasOriginal ? await _log.ScalarAsync<long>("SELECT original.add_job('benchmark')") : _job.JobId!.Value;
        _baseline = _log.HasOriginal
            ? $"SELECT original.update_step(original.add_step({_jobId}, 'step'), 'OK', 'done')"
            : $"""
               SELECT dblink_exec('{_log.Conninfo}', format('UPDATE jobmon.job_detail SET status = ''OK'', end_time = now() WHERE step_id = %s', step_id))
               FROM dblink('{_log.Conninfo}', 'SELECT jobmon._autonomous_add_step({_jobId}, ''step'')') AS t (step_id bigint)
               """;
    }

    private async Task CleanupAsync()
    {
        _job.Complete();
        _borrowed.Complete();
        await _borrowing.DisposeAsync();
        await _caller.DisposeAsync();
        await _log.DisposeAsync();
    }

    /// <summary>The original: a fresh connection through dblink for each of the two calls.</summary>
    [Benchmark(Baseline = true)]
    public async Task Dblink()
    {
        await using var command = new NpgsqlCommand(_baseline, _caller);
        await command.ExecuteNonQueryAsync();
    }

    [Benchmark]
    public async Task StepAsync()
    {
        var step = await _job.StepAsync("step");
        await step.CompleteAsync("done");
    }

    /// <summary>The same as behind a pooler: every write brings its settings with it and prepares nothing.</summary>
    [Benchmark]
    public async Task StepBorrowedAsync()
    {
        var step = await _borrowed.StepAsync("step");
        await step.CompleteAsync("done");
    }

    [Benchmark]
    public void StepSync()
    {
        using var step = _job.Step("step");
        step.Complete("done");
    }

    /// <summary>End of one step and begin of the next in one round trip.</summary>
    [Benchmark]
    public async Task NextAsync() => _chain = await _chain.NextAsync("step", "done");

    /// <summary>Floor: two plain statements of the driver on the same table.</summary>
    [Benchmark]
    public async Task RawInsertAndUpdate()
    {
        await using var insert = new NpgsqlCommand(
            "INSERT INTO jobmon.job_detail (job_id, action, start_time) VALUES ($1, 'step', clock_timestamp()) RETURNING step_id", _caller)
        {
            Parameters = { new NpgsqlParameter<long> { TypedValue = _job.JobId!.Value } },
        };
        var stepId = (long)(await insert.ExecuteScalarAsync())!;
        await using var update = new NpgsqlCommand(
            "UPDATE jobmon.job_detail SET end_time = clock_timestamp(), status = 'OK', message = 'done' WHERE step_id = $1", _caller)
        {
            Parameters = { new NpgsqlParameter<long> { TypedValue = stepId } },
        };
        await update.ExecuteNonQueryAsync();
    }

    /// <summary>What the driver takes of it: two batches with as many parameters as the two events have, each on a connection of the pool.</summary>
    [Benchmark]
    public async Task RawBatches()
    {
        await RawBatchAsync(6);
        await RawBatchAsync(11);
    }

    private async Task RawBatchAsync(int parameters)
    {
        await using var connection = await _log.DataSource.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection);
        var command = new NpgsqlBatchCommand(parameters == 6 ? "SELECT $1, $2, $3, $4, $5, $6" : "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11");
        for (var i = 0; i < parameters; i++)
            command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Bigint, Value = DBNull.Value });
        batch.BatchCommands.Add(command);
        await using var reader = await batch.ExecuteReaderAsync();
        await reader.ReadAsync();
        await reader.NextResultAsync();
    }
}
