using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>New progress of all moving steps of one run. Never kept: the next one says more.</summary>
internal sealed class ProgressEvent(JobRow job, long mark, IReadOnlyList<(StepRow Step, StepProgress Progress)> steps) : LogEvent(job, mark)
{
    public IReadOnlyList<(StepRow Step, StepProgress Progress)> Steps { get; } = steps;

    public override string Operation => "progress";

    public override bool IsReady => Job.JobId is not null;

    public override bool MayCommitRelaxed => true;

    public override NpgsqlBatchCommand ToCommand(WriterSql sql, WriteContext context) => new(sql.Progress)
    {
        Parameters =
        {
            List(NpgsqlDbType.Bigint, s => s.Step.StepId!.Value),
            List(NpgsqlDbType.Text, s => context.Texts.Clean(s.Progress.ToText())),
            List(NpgsqlDbType.Bigint, s => (long?)s.Progress.Current),
            List(NpgsqlDbType.Bigint, s => s.Progress.Total),
            List(NpgsqlDbType.Text, s => context.Texts.Clean(s.Progress.Unit)),
        },
    };

    private NpgsqlParameter List<T>(NpgsqlDbType type, Func<(StepRow Step, StepProgress Progress), T> value) =>
        Value(NpgsqlDbType.Array | type, Steps.Select(value).ToArray());
}
