using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Where a scenario plays: a job log of either kind, a database for the work, and a notebook.</summary>
internal sealed class Stage(IJobmon jobmon, NpgsqlDataSource dataSource)
{
    private readonly List<string> _notes = [];

    public IJobmon Jobmon => jobmon;

    public NpgsqlDataSource DataSource => dataSource;

    /// <summary>The loggers of a program that captures what is logged inside a job, whichever log it uses.</summary>
    public ILoggerFactory Loggers { get; } = MakeLoggers();

    public CancellationToken Stop { get; } = TestContext.Current.CancellationToken;

    public IReadOnlyList<string> Notes => _notes;

    public void Note(object? seen) => _notes.Add(seen?.ToString() ?? "null");

    /// <summary>Notes what an action throws; the message of an object disposed names the class, which may differ.</summary>
    public void NoteThrow(Action action)
    {
        try
        {
            action();
            Note("no exception");
        }
        catch (Exception error)
        {
            NoteError(error);
        }
    }

    public async Task NoteThrowAsync(Func<Task> action)
    {
        try
        {
            await action();
            Note("no exception");
        }
        catch (Exception error)
        {
            NoteError(error);
        }
    }

    /// <summary>Notes how the log looks in the middle of the play.</summary>
    public async Task LookAsync() => Note(await Portrait.OfHistoryAsync(jobmon.History));

    /// <summary>Asks a run to stop and returns once <paramref name="token"/>, or else the run's own, has fired.</summary>
    public async Task CancelAsync(IJob job, CancellationToken? token = null)
    {
        Note(await jobmon.Admin.CancelAsync(job.JobId!.Value, "because", Stop));
        var fired = new TaskCompletionSource();
        await using var registration = (token ?? job.CancellationToken).Register(fired.SetResult);
        await fired.Task.WaitAsync(TimeSpan.FromSeconds(30), Stop);
    }

    private static ILoggerFactory MakeLoggers()
    {
        var services = new ServiceCollection().AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace));
        services.AddOmniPgJobmon().AddLogCapture();
        return services.BuildServiceProvider().GetRequiredService<ILoggerFactory>();
    }

    private void NoteError(Exception error) => Note(error switch
    {
        ObjectDisposedException => nameof(ObjectDisposedException),
        OperationCanceledException => "cancelled",
        JobAlreadyRunningException { HolderJobId: var holder } => $"already running, holder known: {holder is not null}",
        _ => $"{error.GetType().Name}: {error.Message}",
    });
}
