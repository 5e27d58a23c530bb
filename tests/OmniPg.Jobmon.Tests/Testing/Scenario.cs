using Npgsql;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>A play for a job log, with the settings that both kinds of log know.</summary>
internal sealed record Scenario(string Name, Func<Stage, Task> Play)
{
    public DisposeBehavior DisposeBehavior { get; init; } = DisposeBehavior.FailUnlessCompleted;

    public Func<string, string>? MessageFilter { get; init; }

    public int MaxLogLines { get; init; } = 10_000;

    public IJobmon OnServer(NpgsqlDataSource dataSource) => new JobmonClient(dataSource, new JobmonOptions
    {
        ErrorPolicy = ErrorPolicy.Throw,
        DisposeBehavior = DisposeBehavior,
        MessageFilter = MessageFilter,
        MaxLogLines = MaxLogLines,
    });

    public RecordingJobmon InMemory() => new() { DisposeBehavior = DisposeBehavior, MessageFilter = MessageFilter, MaxLogLines = MaxLogLines };

    /// <summary>Plays in a flow of its own, so that no exception and no open run of another play is around.</summary>
    public Task RunAsync(Stage stage) => Task.Run(() => Play(stage), stage.Stop);
}
