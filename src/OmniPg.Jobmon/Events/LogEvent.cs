using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One thing that happened and must reach the server, as one statement.</summary>
internal abstract class LogEvent(JobRow job, long mark)
{
    /// <summary>
    /// Text of level $2. A level that has no text would end as a status that no trigger knows, and nobody would be told: it ends as the
    /// highest one that has.
    /// </summary>
    protected const string TextOfLevel =
        "(SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code = $2 ORDER BY 1 LIMIT 1), "
        + "(SELECT t.alert_text FROM jobmon.job_status_text t WHERE t.alert_code > 1 AND $2 <> 1 ORDER BY t.alert_code DESC LIMIT 1)";

    private const string LateSuffix = " (recorded late)";

    public JobRow Job { get; } = job;

    /// <summary>When it happened, on the monotonic clock.</summary>
    public long Mark { get; } = mark;

    /// <summary>It could not be written when it happened: its own time is sent along, not the time of the write.</summary>
    public bool Late { get; set; }

    /// <summary>It was kept back on purpose: its own time is sent along, too.</summary>
    public bool Withheld { get; set; }

    /// <summary>A try was made whose outcome is unknown.</summary>
    public bool Repeated { get; set; }

    /// <summary>It stands in the spool file of this process.</summary>
    public bool Spooled { get; set; }

    /// <summary>Why the server will never take it; null for nothing. Set under the gate of its run.</summary>
    public Exception? Refusal { get; set; }

    /// <summary>For messages and metrics, for example <c>job start</c>.</summary>
    public abstract string Operation { get; }

    /// <summary>Whether the server has given all ids this statement names, or will never give them; of most events, that of the run.</summary>
    public virtual bool IsReady => Job.Lost || Job.JobId is not null;

    /// <summary>Whether the row this event belongs to does not exist and never will.</summary>
    public virtual bool IsPointless => Job.Lost;

    /// <summary>Whether a crash right after the write may lose it.</summary>
    public virtual bool MayCommitRelaxed => false;

    public abstract NpgsqlBatchCommand ToCommand(LogTables log, WriteContext context);

    /// <summary>Takes the single result row, once the transaction is known to be committed.</summary>
    public virtual void Accept(object[] row)
    {
    }

    /// <summary>The server refused this event for good.</summary>
    public virtual void Abandon()
    {
    }

    /// <summary>The statement with all its parameters: they are the same in every kind of log, whether its text needs them or not.</summary>
    /// <remarks>Its text is another for a role that may only call the public functions of the extension; those take no time of the event's own.</remarks>
    protected NpgsqlBatchCommand Command(LogTables log, DateTime? at, string byTables, string byPublicFunctions, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(log.Statement(GetType(), at is null && log.ByLocalFunctions, log.Server.ByFunctions ? byPublicFunctions : byTables));
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    /// <summary>Server time of what is not written as it happens; null lets the server take its own now.</summary>
    protected DateTime? Time(WriteContext context) => Late || Withheld ? context.Clock.At(Mark) : null;

    /// <summary>The message as it may leave the process; null stays null, unless the event is late.</summary>
    protected string? Marked(string? message, WriteContext context) =>
        context.Texts.Clean(Late ? string.Concat(message, message is null ? LateSuffix.AsSpan(1) : LateSuffix) : message);
}

/// <summary>What every statement may need to know about this process, and about the backend of its control session while there is one.</summary>
internal sealed record WriteContext(ServerClock Clock, TextGuard Texts, Guid SessionId, Func<int?> ControlPid);
