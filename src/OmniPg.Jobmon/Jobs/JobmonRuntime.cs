using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The parts that every run of one client shares, and how they are put together.</summary>
internal sealed record JobmonRuntime(
    IEventSink Sink, IControl Control, AutonomousWriter Writer, BackgroundPump Pump, JobmonOptions Options, TextGuard Texts, TimeProvider Time, ILogger Logger)
{
    /// <summary>What a starting job does for others in passing; null where there are no others.</summary>
    public Housekeeping? Housekeeping { get; init; }

    /// <summary>Answers the SQL of steps and jobs in place of a server; null runs it.</summary>
    public Func<string, long>? SqlAnswer { get; init; }

    /// <summary>Runs are recorded on a server.</summary>
    public static JobmonRuntime OnServer(NpgsqlDataSource dataSource, JobmonOptions options, ILogger logger, TimeProvider time)
    {
        var clock = new ServerClock(time);
        var texts = new TextGuard(options.MessageFilter, options.MaxMessageBytes);
        var connections = new OwnConnections(dataSource, options, clock);
        var target = new LogTarget(connections, options, time, logger);
        var registration = new SessionRegistration(target, options);
        var control = new ControlSession(registration, connections, target, options, time, logger);
        var context = new WriteContext(clock, texts, registration.SessionId, () => control.Pid);
        var sink = new PostgresSink(connections, target, registration, options, context, time, logger);
        var header = SpoolHeader.Of(registration, connections.ServerName, options);
        var spool = options.SpoolDirectory is { } folder ? new SpoolFile(folder, header, new SpoolEncoder(clock, texts), time, logger) : null;
        var writer = new AutonomousWriter(sink, spool, clock, options, time, logger);
        var replay = spool is null ? null : new SpoolReplay(spool.Path, header, writer, sink, connections, target, context, logger);
        var pump = new BackgroundPump(writer, threaded: true, options.FlushInterval, time, logger);
        writer.Waiting += pump.Wake;
        return new JobmonRuntime(sink, control, writer, pump, options, texts, time, logger)
        {
            Housekeeping = new Housekeeping(writer, pump, replay, connections, target, options, time, logger),
        };
    }

    /// <summary>Runs are recorded nowhere.</summary>
    public static JobmonRuntime Nowhere()
    {
        var options = new JobmonOptions();
        return Local(new NullSink(), new ServerClock(TimeProvider.System), options, new TextGuard(null, options.MaxMessageBytes), TimeProvider.System);
    }

    /// <summary>Runs are recorded in this process, without a thread.</summary>
    public static JobmonRuntime Local(NullSink sink, ServerClock clock, JobmonOptions options, TextGuard texts, TimeProvider time)
    {
        var writer = new AutonomousWriter(sink, spool: null, clock, options, time, NullLogger.Instance);
        var pump = new BackgroundPump(writer, threaded: false, options.FlushInterval, time, NullLogger.Instance);
        return new JobmonRuntime(sink, sink, writer, pump, options, texts, time, NullLogger.Instance);
    }
}
