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
        EndTime = row.Instant(4),
        Status = row.Text(5),
        Pid = row.GetInt32(6),
        Run = row.GetBoolean(7) ? Run(row) : null,
    };

    public static JobStepRecord Step(NpgsqlDataReader row) => new()
    {
        JobId = row.GetInt64(0),
        StepId = row.GetInt64(1),
        Action = row.GetString(2),
        StartTime = row.GetFieldValue<DateTimeOffset>(3),
        EndTime = row.Instant(4),
        ElapsedSeconds = row.IsDBNull(5) ? null : row.GetFloat(5),
        Status = row.Text(6),
        Message = row.Text(7),
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
        LastStart = row.Instant(9),
        LastSuccess = row.Instant(10),
    };

    private static JobRunInfo Run(NpgsqlDataReader row) => new()
    {
        DisplayName = row.Text(8),
        ParentJobId = row.BigInt(9),
        ClientName = row.Text(10),
        Host = row.Text(11),
        ProcessId = (int?)row.BigInt(12),
        LastSeen = row.Instant(13),
        TraceId = row.Text(14),
        SpanId = row.Text(15),
        WorkPid = (int?)row.BigInt(16),
        Tags = row.IsDBNull(17) ? [] : row.GetFieldValue<string[]>(17),
        Arguments = row.Text(18),
        Result = row.Text(19),
        Error = row.Text(20),
        CancelRequestedAt = row.Instant(21),
        CancelRequestedBy = row.Text(22),
        ReapedAt = row.Instant(23),
    };

    private static StepInfo Info(NpgsqlDataReader row) => new()
    {
        ParentStepId = row.BigInt(9),
        Ordinal = (int?)row.BigInt(10),
        Current = row.BigInt(11),
        Total = row.BigInt(12),
        Unit = row.Text(13),
        ProgressAt = row.Instant(14),
        RowsAffected = row.BigInt(15),
        Error = row.Text(16),
    };

    private static TimeSpan? Seconds(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : TimeSpan.FromSeconds(Math.Max(0, row.GetDouble(column)));
}
