using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>An open run as its flow and the runs that begin inside it see it.</summary>
internal interface ILoggedRun : IJob
{
    JobRow Row { get; }

    JobmonRuntime Runtime { get; }

    /// <summary>Keeps a line for the next flush; no I/O.</summary>
    void Capture(StepRow? step, LogLevel level, string? category, string message);
}
