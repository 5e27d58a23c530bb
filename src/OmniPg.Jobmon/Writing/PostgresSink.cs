using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The log of a server: brings one batch of events there in one round trip and one transaction.</summary>
internal sealed class PostgresSink(
    OwnConnections connections, LogTarget target, SessionRegistration registration, JobmonOptions options, WriteContext context, TimeProvider time,
    ILogger logger) : IEventSink
{
    // Is the server there and writable, and what time is it?
    private const string ServerState = "SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_is_in_recovery()";

    private readonly ErrorThrottle _throttle = new(time);

    public string Name => connections.ServerName;

    // Another client that writes to the same tables gives ids that mean the same runs.
    public object Log { get; } = (connections.ServerName, options.Schema, options.SideSchema);

    public bool? TakesLines => target.Server?.HasSide;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events)
    {
        var started = time.GetTimestamp();
        // A batch holds events of one run only.
        var writing = events[0].Job.Origin ?? context;
        for (var repeated = false; ; repeated = true)
        {
            try
            {
                await SendOnceAsync(async, events, writing).ConfigureAwait(false);
                JobmonTelemetry.Written(time.GetElapsedTime(started), events[0].Operation, error: null);
                return (null, null);
            }
            catch (Exception error) when (WriteFailures.IsExpected(error))
            {
                var failure = error is JobmonException ? WriteFailure.Unavailable : WriteFailures.Classify(error);
                if (failure == WriteFailure.Unavailable)
                    target.Forget();
                else if (repeated && error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
                    failure = WriteFailure.Refused;
                if (repeated || failure is WriteFailure.Unavailable or WriteFailure.Refused)
                {
                    JobmonTelemetry.Written(time.GetElapsedTime(started), events[0].Operation, error);
                    return (failure, error);
                }

                if (failure == WriteFailure.Encoding)
                    writing = writing with { Texts = writing.Texts.AsciiOnly() };
                else
                    connections.Clear();
                // The first try may have been committed without our knowing: the statements look for its rows by their tokens.
                events.ForEach(e => e.Repeated = true);
            }
        }
    }

    /// <summary>Whether the server is back and writable; learns what time it is there.</summary>
    public bool Probe()
    {
        try
        {
            using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
            using var command = new NpgsqlCommand(ServerState, connection) { CommandTimeout = OwnConnections.Seconds(options.CommandTimeout) };
            var before = context.Clock.Mark();
            using var reader = command.ExecuteReader();
            reader.Read();
            context.Clock.Set(reader.GetDateTime(0), before, context.Clock.Mark());
            return !reader.GetBoolean(1);
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            connections.Clear();
            return false;
        }
    }

    public async ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation)
    {
        switch (error)
        {
            case JobmonException:
                return error;
            case PostgresException refusal when target.Server is { } server && LacksRight(server, refusal):
                return await JobmonRights.ExplainAsync(async, connections.DataSource, server, "write", refusal, CancellationToken.None).ConfigureAwait(false);
            case PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName } refusal:
                return new JobmonNotInstalledException(connections.DatabaseName, target.Server?.Schema.Value ?? options.Schema ?? "jobmon", refusal);
            case not null when WriteFailures.Classify(error) is WriteFailure.Refused or WriteFailure.Encoding:
                return new JobmonWriteException(operation, error.Message, error);
            default:
                return new JobmonUnavailableException(operation, connections.ServerName, JobmonUnavailableException.ReasonOf(error!), error);
        }
    }

    public ValueTask CloseAsync(bool async) => connections.CloseAsync(async);

    // dblink connects nobody but a superuser to a server that asks for no password, and its own connection can fail: to the caller both
    // are rights of the role that the extension stores.
    private static bool LacksRight(JobmonServer server, PostgresException refusal) =>
        refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege || (server.ByFunctions
            && (refusal.SqlState == WriteFailures.NoPasswordForDblink || refusal.SqlState.StartsWith("08", StringComparison.Ordinal)));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendOnceAsync(bool async, List<LogEvent> events, WriteContext writing)
    {
        var connection = await connections.OpenAsync(async, CancellationToken.None).ConfigureAwait(false);
        try
        {
            var log = await target.FindAsync(async, connection).ConfigureAwait(false);
            // Said here and not only in the connection string: a data source given by the user may wait for ever.
            using var batch = new NpgsqlBatch(connection) { Timeout = OwnConnections.Seconds(options.CommandTimeout) };
            var borrowed = connections.Borrows;
            var silent = AddPreamble(batch, log, events, borrowed);
            foreach (var e in events)
                batch.BatchCommands.Add(e.ToCommand(log, writing));
            if (borrowed)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(SessionSettings.Commit));

            var rows = await ExecuteAsync(async, batch, events).ConfigureAwait(false);
            for (var i = 0; i < events.Count; i++)
            {
                // A trigger or rule of somebody else may have put the row elsewhere.
                if (rows[silent + i] is [not (null or DBNull), ..] row)
                    events[i].Accept(row);
                else
                    events[i].Refusal = JobmonWriteException.NoRow(events[i].Operation);
            }

            if (events[0] is JobStartedEvent { SuccessHasText: false } && _throttle.MayLog("alert code 1"))
                JobmonLog.NoSuccessText(logger);
        }
        finally
        {
            await SyncCall.CloseAsync(async, connection).ConfigureAwait(false);
        }
    }

    /// <summary>Commands before the events; returns how many of them give a row.</summary>
    private int AddPreamble(NpgsqlBatch batch, LogTables log, List<LogEvent> events, bool borrowed)
    {
        var silent = 0;
        var relaxed = options.RelaxedStartDurability && events.TrueForAll(e => e.MayCommitRelaxed);
        if (borrowed)
        {
            SessionSettings.Open(batch, options.CommandTimeout, relaxed ? "off" : null);
            silent++;
        }
        else if (relaxed)
        {
            // Local to the implicit transaction of the batch.
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
            silent++;
        }

        if (log.HasSide && events[0] is JobStartedEvent && registration.Early() is { } register)
        {
            batch.BatchCommands.Add(register);
            silent++;
        }

        return silent;
    }

    /// <summary>Runs the batch to its very end: only then the implicit transaction is known to be committed.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<List<object[]>> ExecuteAsync(bool async, NpgsqlBatch batch, List<LogEvent> events)
    {
        var rows = new List<object[]>(batch.BatchCommands.Count);
        NpgsqlDataReader? reader = null;
        try
        {
            reader = async ? await batch.ExecuteReaderAsync().ConfigureAwait(false) : batch.ExecuteReader();
            do
            {
                var row = new object[reader.FieldCount];
                if (async ? await reader.ReadAsync().ConfigureAwait(false) : reader.Read())
                    reader.GetValues(row);
                rows.Add(row);
            }
            while (async ? await reader.NextResultAsync().ConfigureAwait(false) : reader.NextResult());
        }
        catch (Exception error) when (error is not PostgresException)
        {
            // No answer is no refusal: the server may have committed, even if that took it longer than the limit. The statements look
            // for its rows by their tokens.
            events.ForEach(e => e.Repeated = true);
            throw;
        }
        finally
        {
            if (reader is not null)
                await SyncCall.CloseAsync(async, reader).ConfigureAwait(false);
        }

        return rows;
    }
}
