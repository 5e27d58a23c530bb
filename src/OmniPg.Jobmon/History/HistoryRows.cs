using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Reads rows of <see cref="JobHistorySql"/>.</summary>
internal static class HistoryRows
{
    public static JobRecord Job(NpgsqlDataReader row) => new()
    {
        JobId = row.GetInt64(0),
        Owner = row.GetString(1),
        JobName = row.GetString(2),
        StartTime = row.GetFieldValue<DateTimeOffset>(3),
        EndTime = Instant(row, 4),
        Status = Text(row, 5),
        Pid = row.GetInt32(6),
        Run = row.GetBoolean(7) ? Run(row) : null,
    };

    public static JobStepRecord Step(NpgsqlDataReader row) => new()
    {
        JobId = row.GetInt64(0),
        StepId = row.GetInt64(1),
        Action = row.GetString(2),
        StartTime = row.GetFieldValue<DateTimeOffset>(3),
        EndTime = Instant(row, 4),
        ElapsedSeconds = row.IsDBNull(5) ? null : row.GetFloat(5),
        Status = Text(row, 6),
        Message = Text(row, 7),
        Info = row.GetBoolean(8) ? Info(row) : null,
    };

    public static JobStatistics Statistics(NpgsqlDataReader row) => new()
    {
        JobName = row.GetString(0),
        Runs = row.GetInt64(1),
        Succeeded = row.GetInt64(2),
        Failed = row.GetInt64(3),
        Unfinished = row.GetInt64(4),
        Mean = Seconds(row, 5),
        Median = Seconds(row, 6),
        Percentile95 = Seconds(row, 7),
        Longest = Seconds(row, 8),
        LastStart = Instant(row, 9),
        LastSuccess = Instant(row, 10),
    };

    public static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    public static DateTimeOffset? Instant(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);

    private static JobRunInfo Run(NpgsqlDataReader row) => new()
    {
        DisplayName = Text(row, 8),
        ParentJobId = Number(row, 9),
        ClientName = Text(row, 10),
        Host = Text(row, 11),
        ProcessId = (int?)Number(row, 12),
        LastSeen = Instant(row, 13),
        TraceId = Text(row, 14),
        SpanId = Text(row, 15),
        WorkPid = (int?)Number(row, 16),
        Tags = row.IsDBNull(17) ? [] : row.GetFieldValue<string[]>(17),
        Arguments = Text(row, 18),
        Result = Text(row, 19),
        Error = Text(row, 20),
        CancelRequestedAt = Instant(row, 21),
        CancelRequestedBy = Text(row, 22),
        ReapedAt = Instant(row, 23),
    };

    private static StepInfo Info(NpgsqlDataReader row) => new()
    {
        ParentStepId = Number(row, 9),
        Ordinal = (int?)Number(row, 10),
        Current = Number(row, 11),
        Total = Number(row, 12),
        Unit = Text(row, 13),
        ProgressAt = Instant(row, 14),
        RowsAffected = Number(row, 15),
        Error = Text(row, 16),
    };

    private static long? Number(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    private static TimeSpan? Seconds(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : TimeSpan.FromSeconds(Math.Max(0, row.GetDouble(column)));
}
