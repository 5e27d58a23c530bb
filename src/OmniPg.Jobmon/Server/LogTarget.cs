using System.Collections.Concurrent;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The job log of the database as the writer found it, looked for once and again after a failure.</summary>
internal sealed class LogTarget(OwnConnections connections, JobmonOptions options, TimeProvider time, ILogger logger)
{
    private readonly ErrorThrottle _throttle = new(time);
    private volatile LogTables? _tables;
    private volatile bool _known;

    /// <summary>What was found last; null before the first contact.</summary>
    public LogTables? Tables => _tables;

    /// <inheritdoc cref="Tables"/>
    public JobmonServer? Server => _tables?.Server;

    /// <summary>The log, looked for if that has to be done.</summary>
    public async ValueTask<LogTables> FindAsync(bool async, NpgsqlConnection connection)
    {
        if (_known && _tables is { } known)
            return known;
        var schema = options.Schema is null ? (PgIdentifier?)null : PgIdentifier.Create(options.Schema);
        var side = PgIdentifier.Create(options.SideSchema);
        var limit = OwnConnections.Seconds(options.CommandTimeout);
        var transaction = connections.Borrows
            ? await SessionSettings.BeginAsync(async, connection, mayWrite: false, CancellationToken.None).ConfigureAwait(false) : null;
        JobmonServer found;
        try
        {
            found = (await JobmonServer.DetectAsync(async, connection, schema, side, limit, CancellationToken.None).ConfigureAwait(false)).RequireOwnVersion();
        }
        finally
        {
            if (transaction is not null)
                await SyncCall.CloseAsync(async, transaction).ConfigureAwait(false);
        }

        found.RequireInstalled();
        if (found.ByFunctions)
        {
            // The rows beside the log are joined by the id that the same statement gives: they need the direct way.
            found = found with { SideVersion = null };
            if (_throttle.MayLog("functions only"))
                JobmonLog.FunctionsOnly(logger, found.Role, found.Schema.Value);
        }
        else if (found.SideTrouble is { } trouble && _throttle.MayLog("side schema"))
        {
            JobmonLog.NoSideSchema(logger, options.SideSchema, trouble.Reason, trouble.NextStep);
        }

        var tables = new LogTables(found);
        (_tables, _known) = (tables, true);
        return tables;
    }

    /// <summary>Looks at the database again on the next write: it may be another server by then, or the log may have been installed.</summary>
    public void Forget() => _known = false;
}

/// <summary>The log that was found, and the statements of the writer as they are for it, each made once.</summary>
/// <remarks>
/// On the extension's log the live path calls the extension's own local functions. Its functions that end a job are not used: they
/// overwrite a run that has ended already, and here the first end wins. Times given by the client need the tables, too.
/// <para>
/// A role without rights on the tables writes through the public functions all the same: every event goes through dblink, with the rights
/// of the role in <c>dblink_mapping_jobmon</c>. What the functions cannot do is lost in this way of writing: the last end of a run wins, an
/// event whose outcome was unknown may appear twice, a late event carries the time of its write, and the process id of attached work is
/// not recorded.
/// </para>
/// </remarks>
internal sealed class LogTables(JobmonServer server)
{
    private readonly ConcurrentDictionary<(Type, bool), string> _statements = new();

    public JobmonServer Server => server;

    /// <summary>The side tables are there: dead jobs, progress values, nesting and exceptions can be recorded.</summary>
    public bool HasSide => server.HasSide;

    /// <summary>What happens now goes through the extension's local functions.</summary>
    public bool ByLocalFunctions => server is { ByFunctions: false, Mode: JobmonMode.Extension };

    /// <summary>The statement of one kind of event, by local functions or by the tables alone.</summary>
    public string Statement(Type kind, bool byLocalFunctions, string text) => _statements.GetOrAdd(
        (kind, byLocalFunctions), static (of, made) => made.server.Render(made.text, of.Item2), (server, text));
}
