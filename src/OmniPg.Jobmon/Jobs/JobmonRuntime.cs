using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>The parts that every run of one client shares.</summary>
internal sealed record JobmonRuntime(
    JobmonOptions Options, OwnConnections Connections, AutonomousWriter Writer, ControlSession Control, BackgroundPump Pump, TextGuard Texts,
    TimeProvider Time, ILogger Logger);
