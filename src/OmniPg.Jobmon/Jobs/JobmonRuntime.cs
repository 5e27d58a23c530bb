using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The parts that every run of one client shares, and how they are put together.</summary>
internal sealed record JobmonRuntime(
    JobmonOptions Options, OwnConnections Connections, LogTarget Target, AutonomousWriter Writer, WriteErrors Errors, ControlSession Control,
    BackgroundPump Pump, SpoolFile? Spool, SpoolReplay? SpoolReplay, TextGuard Texts, TimeProvider Time, ILogger Logger)
{
    /// <summary>Whether another client writes to the same tables, so that ids mean the same runs.</summary>
    public bool IsSameLog(JobmonRuntime other) => ReferenceEquals(this, other)
        || (Connections.ServerName == other.Connections.ServerName && Options.Schema == other.Options.Schema && Options.SideSchema == other.Options.SideSchema);

    public static JobmonRuntime Create(NpgsqlDataSource dataSource, JobmonOptions options, ILogger logger, TimeProvider time)
    {
        var clock = new ServerClock(time);
        var texts = new TextGuard(options.MessageFilter, options.MaxMessageBytes);
        var identity = new SessionIdentity(options);
        var connections = new OwnConnections(dataSource, options, clock);
        var target = new LogTarget(connections, options, time, logger);
        var registration = new SessionRegistration(identity, target);
        var control = new ControlSession(registration, connections, target, options, time, logger);
        var context = new WriteContext(clock, texts, identity.Id, () => control.Pid);
        var sender = new EventSender(connections, target, options, context, time, logger) { Register = registration.Early };
        var errors = new WriteErrors(target, connections, options);
        var writer = new AutonomousWriter(sender, errors, connections, options, context, time, logger);
        var pump = new BackgroundPump(writer, options, time, logger);
        writer.Backlog = pump.Wake;
        var (spool, replay) = Spooling();
        writer.Spool = spool;
        return new JobmonRuntime(options, connections, target, writer, errors, control, pump, spool, replay, texts, time, logger);

        (SpoolFile?, SpoolReplay?) Spooling()
        {
            if (options.SpoolDirectory is not { } folder)
                return (null, null);
            var header = SpoolHeader.Of(identity, connections.ServerName, options);
            var own = new SpoolFile(folder, header, new SpoolEncoder(clock, texts), time, logger);
            return (own, new SpoolReplay(own.Path, header, writer, sender, connections, target, context, logger));
        }
    }
}
