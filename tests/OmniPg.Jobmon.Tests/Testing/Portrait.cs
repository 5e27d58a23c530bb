using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>A job log as text in which only meaning is left: no ids, times and rates.</summary>
internal static partial class Portrait
{
    public static async Task<string> OfHistoryAsync(IJobHistory history)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var lines = new List<string>();
        var runs = await history.ListAsync(new JobQuery { Limit = null }, cancellation).OrderBy(run => run.JobId).ToListAsync(cancellation);
        var names = runs.ToDictionary(run => run.JobId, run => run.DisplayName!);
        foreach (var run in runs)
        {
            lines.Add(Line(run.JobName, run.DisplayName, run.Status, run.EndTime is null ? "open" : "ended", Name(names, run.ParentJobId), List(run.Tags),
                Json(run.Arguments), Json(run.Result), Error(run.Error), run.CancelRequestedAt is null ? null : "cancel requested",
                run.WorkPid is null ? null : "attached"));
            var steps = await history.StepsAsync(run.JobId, cancellation).ToListAsync(cancellation);
            var actions = steps.ToDictionary(step => step.StepId, step => step.Action);
            foreach (var step in steps)
                lines.Add("  " + Line(step.Action, step.Status, step.EndTime is null ? "open" : "ended", step.ElapsedSeconds >= 0 || step.EndTime is null ? null : "no duration",
                    Message(step.Message), Name(actions, step.ParentStepId), step.Current, step.Total, step.Unit, step.RowsAffected, Error(step.Error)));
        }

        return string.Join('\n', lines);
    }

    /// <summary>The same text from the snapshots that tests of users look at.</summary>
    public static string OfJobs(IReadOnlyList<RecordedJob> jobs)
    {
        var lines = new List<string>();
        var names = jobs.ToDictionary(job => job.JobId, job => job.Name);
        foreach (var job in jobs)
        {
            lines.Add(Line(job.Name.ToUpperInvariant(), job.Name, job.Status, job.EndTime is null ? "open" : "ended", Name(names, job.ParentJobId), List(job.Tags),
                Values(job.Arguments), job.EndTime is null ? null : Values(job.Results.Concat(job.Counters.Select(c => KeyValuePair.Create(c.Key, Text(c.Value))))),
                Error(job.Error) ?? (job.State is JobState.Failed or JobState.Cancelled ? job.Message : null),
                job.CancelRequestedAt is null ? null : "cancel requested", job.WorkPid is null ? null : "attached"));
            var actions = job.Steps.ToDictionary(step => step.StepId, step => step.Action);
            foreach (var step in job.Steps)
                lines.Add("  " + Line(step.Action, step.Status, step.EndTime is null ? "open" : "ended", null, Message(step.Message), Name(actions, step.ParentStepId),
                    step.Progress?.Current, step.Progress?.Total, step.Progress?.Unit, step.RowsAffected, Error(step.Error)));
        }

        return string.Join('\n', lines);
    }

    private static string Line(params object?[] fields) => string.Join('|', fields.Select(field => field switch
    {
        null => "~",
        // The fake has no roles: its owner stands for the one of the server.
        string text => text.Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace("Cancelled by " + RecordingHistory.Owner, "Cancelled by postgres", StringComparison.Ordinal),
        _ => Text(field),
    }));

    private static string Text(object value) => string.Create(CultureInfo.InvariantCulture, $"{value}");

    private static string? Name(Dictionary<long, string> names, long? id) => id is { } known ? names[known] : null;

    private static string? List(IReadOnlyList<string> values) => values.Count == 0 ? null : string.Join(',', values);

    private static string? Json(string? json) =>
        json is null ? null : Values(JsonNode.Parse(json)!.AsObject().Select(pair => KeyValuePair.Create(pair.Key, pair.Value!.ToString())));

    private static string? Values(IEnumerable<KeyValuePair<string, string>> values)
    {
        var pairs = values.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}").ToList();
        return pairs.Count == 0 ? null : string.Join(',', pairs);
    }

    private static string? Error(string? json)
    {
        if (json is null)
            return null;
        var error = JsonSerializer.Deserialize<JsonObject>(json)!;
        return error.ContainsKey("type") ? $"{error["type"]}: {error["message"]}" : error["message"]!.ToString();
    }

    private static string? Error(Exception? error) =>
        error is null ? null : $"{error.GetType().FullName}: {(error as Npgsql.PostgresException)?.MessageText ?? error.Message}";

    private static string? Message(string? message) => message is null ? null : Pace().Replace(message, "");

    [GeneratedRegex(@", [\d.,]+( [^/,]+)?/s(, [\d.:]+ left)?")]
    private static partial Regex Pace();
}
