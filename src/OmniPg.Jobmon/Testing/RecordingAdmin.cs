using System.Runtime.CompilerServices;

namespace OmniPg.Jobmon;

/// <summary>The administration of a log in memory: cancelling, and the texts of levels.</summary>
internal sealed class RecordingAdmin(RecordingJobmon jobmon) : IJobmonAdmin
{
    private const string OnServer = "test it with a JobmonClient on a server";

    public CancelResult Cancel(long jobId, string? reason)
    {
        jobmon.Flush();
        return jobmon.Sink.Cancel(jobId, RecordingHistory.Owner + (reason is null ? "" : $": {reason}"));
    }

    public Task<CancelResult> CancelAsync(long jobId, string? reason = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(Cancel(jobId, reason));
    }

    public Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(jobmon.Sink.StatusTexts());
    }

    public Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(level.Code, 1, nameof(level));
        cancellationToken.ThrowIfCancellationRequested();
        jobmon.Sink.SetStatusText(level, text);
        return Task.CompletedTask;
    }

    public Task<InstallResult> InstallAsync(InstallOptions? options = null, CancellationToken cancellationToken = default) => throw Refuse();

    public SqlPlan InstallPlan(InstallOptions? options = null) => throw Refuse();

    public string GrantScript(string role, JobmonAccess access, InstallOptions? options = null) => throw Refuse();

    public Task<string> GrantScriptAsync(string role, JobmonAccess access, CancellationToken cancellationToken = default) => throw Refuse();

    public Task<PurgeResult> PurgeAsync(PurgeOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default) => throw Refuse();

    public Task<int> ReapAsync(CancellationToken cancellationToken = default) => throw Refuse();

    public Task<int> ReapForeignAsync(CancellationToken cancellationToken = default) => throw Refuse();

    public Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default) => throw Refuse();

    public Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default) => throw Refuse();

    public Task<int> AcknowledgeAsync(long jobId, string by, string? why = null, CancellationToken cancellationToken = default) => throw Refuse();

    public Task<DateTimeOffset> MuteForAsync(string jobName, PgInterval interval, string by, string? why = null, CancellationToken cancellationToken = default) =>
        throw Refuse();

    public CheckBuilder Rule(string jobName) => throw Refuse();

    public Task<IReadOnlyList<JobRule>> ListRulesAsync(CancellationToken cancellationToken = default) => throw Refuse();

    public Task ExportAsync(Stream jsonLines, JobQuery query, CancellationToken cancellationToken = default) => throw Refuse();

    public Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default) => throw Refuse();

    private static NotSupportedException Refuse([CallerMemberName] string member = "") => RecordingJobmon.Unsupported($"Admin.{member}", OnServer);
}
