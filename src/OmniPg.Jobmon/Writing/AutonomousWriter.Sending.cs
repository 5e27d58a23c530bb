using Npgsql;

namespace OmniPg.Jobmon;

/// <content>One batch, one round trip.</content>
internal sealed partial class AutonomousWriter
{
    private volatile JobmonServer? _server;
    private volatile WriterSql? _sql;

    /// <summary>What detection found; null before the first contact.</summary>
    public JobmonServer? Server => _server;

    /// <summary>Finds the log of the database, once.</summary>
    public async ValueTask<WriterSql> SqlAsync(bool async, NpgsqlConnection connection)
    {
        if (_sql is { } known)
            return known;
        var schema = options.Schema is null ? (PgIdentifier?)null : PgIdentifier.Create(options.Schema);
        var side = PgIdentifier.Create(options.SideSchema);
        var found = async
            ? await JobmonServerDetector.DetectAsync(connection, schema, side, OwnConnections.Seconds(options.CommandTimeout), CancellationToken.None).ConfigureAwait(false)
            : JobmonServerDetector.Detect(connection, schema, side, OwnConnections.Seconds(options.CommandTimeout));
        found.RequireInstalled();
        if (found.ByFunctions)
        {
            // The rows beside the log are joined by the id that the same statement gives: they need the direct way.
            found = found with { SideVersion = null };
            if (_throttle.MayLog("functions only"))
                JobmonLog.FunctionsOnly(logger, found.Role, found.Schema.Value);
            _server = found;
            return _sql = new WriterSql(found);
        }

        _server = found;
        if (!found.HasSide && _throttle.MayLog("side schema"))
            JobmonLog.NoSideSchema(logger, options.SideSchema);
        return _sql = new WriterSql(found);
    }

    /// <summary>Looks at the database again on the next write, after an installation.</summary>
    public void Forget() => _sql = null;

    /// <summary>The typed exception for what stopped a write.</summary>
    public async ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation)
    {
        switch (error)
        {
            case JobmonException:
                return error;
            case PostgresException refusal when _server is { } server && LacksRight(server, refusal):
                return async
                    ? await JobmonPermissions.ExplainAsync(connections.DataSource, server, "write", refusal, CancellationToken.None).ConfigureAwait(false)
                    : new JobmonPermissionException(server.Role, "a right of a writer", server.Schema.Value,
                        "the text of Admin.GrantScript() for this role", refusal, server.ByFunctions);
            case PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName } refusal:
                return new JobmonNotInstalledException(connections.DatabaseName, _server?.Schema.Value ?? options.Schema ?? "jobmon", refusal);
            case not null when WriteFailures.Classify(error) is WriteFailure.Refused or WriteFailure.Encoding:
                return new JobmonWriteException(operation, error.Message, error);
            default:
                return new JobmonUnavailableException(operation, connections.ServerName, error!.Message, error);
        }
    }

    private static bool LacksRight(JobmonServer server, PostgresException refusal) =>
        refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege || (server.ByFunctions
            && (refusal.SqlState == WriteFailures.NoPasswordForDblink || refusal.SqlState.StartsWith("08", StringComparison.Ordinal)));

    private async ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events)
    {
        var started = time.GetTimestamp();
        var writing = context;
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
                    Forget();
                else if (repeated && error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
                    failure = WriteFailure.Refused;
                if (repeated || failure is WriteFailure.Unavailable or WriteFailure.Refused)
                {
                    JobmonTelemetry.Written(time.GetElapsedTime(started), events[0].Operation, error);
                    return (failure, error);
                }

                if (failure == WriteFailure.Encoding)
                    writing = context with { Texts = context.Texts.AsciiOnly() };
                else
                    connections.Clear();
                events.ForEach(e => e.Repeated = true);
            }
        }
    }

    private async ValueTask SendOnceAsync(bool async, List<LogEvent> events, WriteContext writing)
    {
        var connection = await connections.OpenAsync(async, CancellationToken.None).ConfigureAwait(false);
        try
        {
            var sql = await SqlAsync(async, connection).ConfigureAwait(false);
            // Said here and not only in the connection string: a data source given by the user may wait for ever.
            using var batch = new NpgsqlBatch(connection) { Timeout = OwnConnections.Seconds(options.CommandTimeout) };
            var silent = AddPreamble(batch, sql, events);
            foreach (var e in events)
                batch.BatchCommands.Add(e.ToCommand(sql, writing));

            var rows = await ExecuteAsync(async, batch).ConfigureAwait(false);
            for (var i = 0; i < events.Count; i++)
                events[i].Accept(rows[silent + i]);
            if (events[0] is JobStartedEvent { SuccessHasText: false })
                MissingSuccessText();
        }
        finally
        {
            await CloseAsync(async, connection).ConfigureAwait(false);
        }
    }

    /// <summary>Commands before the events; each returns one row.</summary>
    private int AddPreamble(NpgsqlBatch batch, WriterSql sql, List<LogEvent> events)
    {
        // Local to the implicit transaction of the batch.
        if (options.RelaxedStartDurability && events.TrueForAll(e => e.MayCommitRelaxed))
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
        if (sql.HasSide && events[0] is JobStartedEvent && Register?.Invoke(sql) is { } register)
            batch.BatchCommands.Add(register);
        return batch.BatchCommands.Count;
    }

    /// <summary>Runs the batch to its very end: only then the implicit transaction is known to be committed.</summary>
    private static async ValueTask<List<object[]>> ExecuteAsync(bool async, NpgsqlBatch batch)
    {
        var rows = new List<object[]>();
        var reader = async ? await batch.ExecuteReaderAsync().ConfigureAwait(false) : batch.ExecuteReader();
        try
        {
            do
            {
                var row = new object[reader.FieldCount];
                if (async ? await reader.ReadAsync().ConfigureAwait(false) : reader.Read())
                    reader.GetValues(row);
                rows.Add(row);
            }
            while (async ? await reader.NextResultAsync().ConfigureAwait(false) : reader.NextResult());
        }
        finally
        {
            if (async)
                await reader.DisposeAsync().ConfigureAwait(false);
            else
                reader.Dispose();
        }

        return rows;
    }

    private static ValueTask CloseAsync(bool async, NpgsqlConnection connection)
    {
        if (async)
            return connection.DisposeAsync();
        connection.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Whether the server is back, writable, and what time it is there.</summary>
    private bool Probe()
    {
        try
        {
            using var connection = SyncCall.Run(connections.OpenAsync(async: false, CancellationToken.None));
            using var command = new NpgsqlCommand(OwnConnectionsSql.Probe, connection) { CommandTimeout = OwnConnections.Seconds(options.CommandTimeout) };
            var before = context.Clock.Mark();
            using var reader = command.ExecuteReader();
            reader.Read();
            context.Clock.Set(reader.GetDateTime(0), before, context.Clock.Mark());
            if (!reader.GetBoolean(1))
                return true;
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            connections.Clear();
        }

        _circuit.Open();
        return false;
    }

    private void MissingSuccessText()
    {
        if (options.ErrorPolicy == ErrorPolicy.Throw)
            throw new JobmonWriteException("job start", "Table 'job_status_text' has no row for alert code '1'.");
        if (_throttle.MayLog("alert code 1"))
            JobmonLog.NoSuccessText(logger);
    }
}
