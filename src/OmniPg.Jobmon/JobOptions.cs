using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Settings of one run; <see cref="JobBuilder"/> is the fluent form.</summary>
public sealed record JobOptions
{
    /// <summary>Whether at most one run of this name may be active per database. Default false.</summary>
    /// <remarks>The lock is compatible with <c>sql_job()</c> of the original and dies with the process.</remarks>
    public bool SingleInstance { get; init; }

    /// <summary>What a single-instance job does when another run is active. Default <see cref="OnConflict.Skip"/>.</summary>
    public OnConflict OnConflict { get; init; } = OnConflict.Skip;

    /// <summary>Longest wait of <see cref="OnConflict.Wait"/>. Default 1 min.</summary>
    public TimeSpan WaitTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Run time after which the monitor reports the run as overdue. Default null: never. The run itself is not stopped.</summary>
    public TimeSpan? MaxRuntime { get; init; }

    /// <summary>Tags stored with the run. Default none.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Parameters stored with the run. Default none.</summary>
    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();

    /// <summary>The run this one belongs to. Default null: <see cref="IJobmon.Current"/>.</summary>
    public IJob? Parent { get; init; }

    /// <summary>Which runs are recorded. Default <see cref="RecordMode.Always"/>.</summary>
    public RecordMode Record { get; init; } = RecordMode.Always;

    /// <summary>Run time beyond which a run of <see cref="RecordMode.ErrorsOnly"/> is recorded although nothing failed. Default null: never.</summary>
    public TimeSpan? RecordWhenLongerThan { get; init; }

    /// <summary>How this job and its steps end when disposed open. Default null: <see cref="JobmonOptions.DisposeBehavior"/>.</summary>
    public DisposeBehavior? DisposeBehavior { get; init; }

    /// <summary>Level of a run that ends by cancellation. Default <see cref="AlertLevel.Critical"/>.</summary>
    public AlertLevel CancelledLevel { get; init; } = AlertLevel.Critical;

    /// <summary>Connection the work runs on, as by <see cref="IJob.Attach"/>. Default null.</summary>
    public NpgsqlConnection? WorkConnection { get; init; }
}
