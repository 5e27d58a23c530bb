using System.Globalization;
using Npgsql;

namespace OmniPg.Wal.Cli;

/// <summary>The checks of the original's <c>omnipitr-monitor</c>, from the logs of its tools, or ours in their format.</summary>
internal sealed class LogCheck
{
    public const string Names = "last-archive-age, current-archive-time, last-restore-age, current-restore-time, last-backup-age, archive-queue, errors, dump-state";

    private const string NoLog = "No log is there.";
    private readonly string _name;
    private readonly string _format;
    private readonly double? _warning;
    private readonly double? _critical;
    private bool _isLogThere;

    /// <exception cref="UsageException">The format is none of the check's.</exception>
    public LogCheck(string name, string format, double? warning, double? critical)
    {
        (_name, _format, _warning, _critical) = (Plain(name), format, warning, critical);
        if (_name == "dump-state" && format == "nagios")
            throw new UsageException("The check dump-state prints JSON, whatever it is for.");
        if (_name is "errors" or "dump-state" && (warning ?? critical) is not null)
            throw new UsageException($"The check {_name} has no value that a limit could be compared with.");
    }

    /// <summary>From when on errors are told; null tells those that were not told before.</summary>
    /// <exception cref="UsageException">Another check has no such thing.</exception>
    public string? From
    {
        get;
        init => field = value is null || _name == "errors" ? value : throw new UsageException("The option --from is for the check errors.");
    }

    public bool NeedsServer => _name == "archive-queue";

    public static bool IsKnown(string name) => Array.IndexOf(Names.Split(", "), Plain(name)) >= 0;

    /// <summary>Reads what is new in the logs, and answers.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> logs, string stateDirectory, NpgsqlDataSource? server, ProgramContext context, CancellationToken cancellationToken)
    {
        using var held = LogState.Hold(stateDirectory);
        var state = LogState.Load(stateDirectory, context.Logs.CreateLogger("monitor"));
        var now = context.Time.GetUtcNow();
        try
        {
            _isLogThere = new OmniPitrLogs(state).Read(logs);
        }
        catch (FormatException wrong)
        {
            throw new UsageException($"The option --log is wrong: {wrong.Message}.");
        }

        state.Forget(now);
        var code = _name switch
        {
            "errors" => Errors(state, now, context),
            "dump-state" => Print(context, state.ToJson(), NagiosLine.Ok),
            _ => Value(await MeasureAsync(state, now, server, cancellationToken), context),
        };
        // What was not printed is told again.
        await context.Output.FlushAsync(cancellationToken);
        await state.SaveAsync(stateDirectory, cancellationToken);
        return code;
    }

    private async Task<Found> MeasureAsync(LogState state, DateTimeOffset now, NpgsqlDataSource? server, CancellationToken cancellationToken) => _name switch
    {
        "last-archive-age" => Age(state.Archived.Values.Max(s => s.Ended), now, "segment was archived"),
        "last-restore-age" => Age(state.Restored.Values.Max(s => s.Ended), now, "segment was restored"),
        "last-backup-age" => Age(state.Backups.Max(b => b.Ended), now, "backup was finished"),
        "current-archive-time" => UnderWay(state.Archived, now),
        "current-restore-time" => UnderWay(state.Restored, now),
        _ => await QueueAsync(state, server!, cancellationToken),
    };

    // Never is not now: the original printed 0 for both.
    private static Found Age(DateTimeOffset? last, DateTimeOffset now, string what) => last is { } time
        ? new(Seconds(time, now), "s", $"The last {what} at '{time.UtcDateTime:u}'.")
        : new(null, "s", $"No {what}, as far as the logs tell.") { IsUnknown = true };

    // The one that has been under way for longest: a failed call begins again and again.
    private Found UnderWay(Dictionary<string, LogState.Span> spans, DateTimeOffset now) => spans.Where(s => s.Value is { Ended: null, Began: not null }).OrderBy(s => s.Value.Began).FirstOrDefault() is { Key: { } name } oldest
        ? new(Seconds(oldest.Value.Began!.Value, now), "s", $"'{name}' has been under way since '{oldest.Value.Began.Value.UtcDateTime:u}'.")
        : new(null, "s", _isLogThere ? "Nothing is under way." : NoLog) { IsUnknown = !_isLogThere };

    private static async Task<Found> QueueAsync(LogState state, NpgsqlDataSource server, CancellationToken cancellationToken)
    {
        await using var command = server.CreateCommand(
            "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), pg_catalog.pg_current_wal_lsn(), pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))");
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var (current, lsn, size) = (WalFileName.Parse(row.GetString(0)), row.GetFieldValue<NpgsqlTypes.NpgsqlLogSequenceNumber>(1), WalSegmentSize.FromBytes(row.GetInt64(2)));
        var archived = state.Archived.Where(s => s.Value.Ended is not null).Select(s => WalFileName.Parse(s.Key)).Where(n => n.Timeline == current.Timeline && n.Fits(size)).ToList();
        if (archived.Count == 0)
            return new(null, "", $"No segment of timeline '{current.Timeline}' was archived, as far as the logs tell.") { IsUnknown = true };
        var last = archived.Max(n => n.SegmentNumber(size));
        // The segment that is being written waits for nobody.
        var waiting = Math.Max(0, (long)((ulong)lsn / (uint)size.Bytes) - 1 - (long)last);
        return new(waiting, "", $"'{waiting}' segments wait behind '{WalFileName.ForSegmentNumber(current.Timeline, last, size)}'.");
    }

    private int Value(Found found, ProgramContext context)
    {
        var level = found.IsUnknown ? NagiosLine.Unknown : found.Value > _critical ? NagiosLine.Critical : found.Value > _warning ? NagiosLine.Warning : NagiosLine.Ok;
        return Print(context, _format switch
        {
            "nagios" => NagiosLine.Of(level, $"{_name}: {found.Text}", (_name, found.Value, found.Unit)),
            "json" => JsonDocumentWriter.Text(json =>
            {
                json.WriteString("name", _name);
                json.WriteNumber("level", level);
                ListingJson.WriteNumber(json, "value", found.Value);
                json.WriteString("unit", found.Unit);
                json.WriteString("text", found.Text);
            }),
            _ => found.Value is not { } value ? "0" : found.Unit == "s" ? value.ToString("0.000000", CultureInfo.InvariantCulture) : value.ToString("0", CultureInfo.InvariantCulture),
        }, level);
    }

    private int Errors(LogState state, DateTimeOffset now, ProgramContext context)
    {
        var told = (From is { } from ? state.Errors.Where(e => e.At > Since(from, now, context.Time.LocalTimeZone)) : state.Errors.Where(e => e.Number > state.ErrorsShown)).OrderBy(e => e.At).ToList();
        if (From is null)
            state.ErrorsShown = state.ErrorsRead;
        var level = told.Count > 0 ? NagiosLine.Warning : _isLogThere ? NagiosLine.Ok : NagiosLine.Unknown;
        if (_format == "plain" && told.Count == 0)
            return level;
        return Print(context, _format switch
        {
            "nagios" => NagiosLine.Of(level, told.Count > 0 ? $"errors: '{told.Count}', last: {told[^1].Line}" : _isLogThere ? "errors: none" : $"errors: {NoLog}", ("errors", told.Count, "")),
            "json" => JsonDocumentWriter.Text(json =>
            {
                json.WriteStartArray("errors");
                foreach (var error in told)
                    json.WriteStringValue(error.Line);
                json.WriteEndArray();
            }),
            _ => string.Join('\n', told.Select(e => OneLine.Of(e.Line))),
        }, level);
    }

    private static DateTimeOffset Since(string from, DateTimeOffset now, TimeZoneInfo zone)
    {
        if (long.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < TimeSpan.MaxValue.TotalSeconds / 2)
            return seconds < (now - DateTimeOffset.MinValue).TotalSeconds ? now.AddSeconds(-seconds) : DateTimeOffset.MinValue;
        return DateTime.TryParseExact(from, "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var local) && !zone.IsInvalidTime(local)
            ? new DateTimeOffset(local, zone.GetUtcOffset(local))
            : throw new UsageException($"The option --from wants 'YYYY-MM-DD HH:MM:SS' or seconds, not '{OneLine.Of(from)}'.");
    }

    private static int Print(ProgramContext context, string text, int code)
    {
        context.Output.WriteLine(text);
        return code;
    }

    private static double Seconds(DateTimeOffset since, DateTimeOffset now) => Math.Max(0, (now - since).TotalSeconds);

    // As the original: case does not count, and '-' and '_' are the same.
    private static string Plain(string name) => name.ToLowerInvariant().Replace('_', '-');

    /// <summary>What was measured; the value is null where there is nothing to measure.</summary>
    private sealed record Found(double? Value, string Unit, string Text)
    {
        /// <summary>Whether there should have been something.</summary>
        public bool IsUnknown { get; init; }
    }
}
