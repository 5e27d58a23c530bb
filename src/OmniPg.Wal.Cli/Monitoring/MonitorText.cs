using System.Globalization;
using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>What a monitor found, in the words of those who read it.</summary>
internal static class MonitorText
{
    /// <summary>One check alone is its value, as the original printed it: zero for what is not known. Several are a line each.</summary>
    public static string Plain(WalMonitorResult result) => result.Checks is [var one]
        ? one.Unit == "s" ? (one.Value ?? 0).ToString("0.000000", CultureInfo.InvariantCulture) : Number(one.Value ?? 0)
        : string.Join('\n', result.Checks.Select(c =>
            $"{c.Name}: {Word(c.Level)}{(c.Value is { } value ? $": {Number(value)}{(c.Unit.Length > 0 ? " " + c.Unit : "")}" : "")}: {OneLine.Of(c.Text)}{(c.Hint is { } hint ? $"\n  next: {OneLine.Of(hint)}" : "")}"));

    public static string Nagios(WalMonitorResult result)
    {
        var bad = result.Checks.Where(c => c.Level != WalCheckLevel.Ok).OrderByDescending(c => c.Level == result.Worst).ToList();
        var text = bad is [var first, ..]
            ? $"{first.Name}: {first.Text}{(bad.Count > 1 ? $" And {string.Join(", ", bad.Skip(1).Select(c => c.Name))}." : "")}"
            : $"{string.Join(", ", result.Checks.Select(c => c.Name))} as they should be";
        return NagiosLine.Of((int)result.Worst, text, [.. result.Checks.Select(c => (c.Name, c.Value, c.Unit + Limits(c.Threshold)))]);
    }

    /// <summary>The text format of Prometheus, for the textfile collector of its node exporter. What is not known has a level and no value.</summary>
    public static string Prometheus(WalMonitorResult result)
    {
        var text = new StringBuilder("# HELP omnipg_wal_check_level 0 ok, 1 warning, 2 critical, 3 unknown.\n# TYPE omnipg_wal_check_level gauge\n");
        foreach (var check in result.Checks)
            text.Append(CultureInfo.InvariantCulture, $"omnipg_wal_check_level{{check=\"{check.Name}\"}} {(int)check.Level}\n");
        foreach (var check in result.Checks.Where(c => c.Value is not null))
        {
            var name = $"omnipg_wal_{check.Name.Replace("-bytes", "", StringComparison.Ordinal).Replace('-', '_')}{check.Unit switch { "s" => "_seconds", "B" => "_bytes", _ => "" }}";
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} gauge\n{name} {Number(check.Value!.Value)}\n");
        }

        return text.Append(CultureInfo.InvariantCulture, $"# TYPE omnipg_wal_monitor_time_seconds gauge\nomnipg_wal_monitor_time_seconds {result.At.ToUnixTimeSeconds()}").ToString();
    }

    public static string Json(WalMonitorResult result) => JsonDocumentWriter.Text(json =>
    {
        json.WriteString("worst", Word(result.Worst));
        ListingJson.WriteTime(json, "at", result.At);
        json.WriteString("serverLsn", result.ServerLsn?.ToString());
        json.WriteString("durableLsn", result.DurableLsn?.ToString());
        ListingJson.WriteTime(json, "lastDurableCommit", result.LastDurableCommit);
        json.WriteStartArray("checks");
        foreach (var check in result.Checks)
        {
            json.WriteStartObject();
            json.WriteString("name", check.Name);
            json.WriteString("level", Word(check.Level));
            ListingJson.WriteNumber(json, "value", check.Value);
            json.WriteString("unit", check.Unit);
            ListingJson.WriteNumber(json, "warning", check.Threshold?.Warning);
            ListingJson.WriteNumber(json, "critical", check.Threshold?.Critical);
            json.WriteString("text", check.Text);
            json.WriteString("hint", check.Hint);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static string Limits(WalThreshold? limits) => limits switch
    {
        null => "",
        { Critical: { } critical } => $";{(limits.Warning is { } warning ? Number(warning) : "")};{Number(critical)}",
        _ => limits.Warning is { } warning ? $";{Number(warning)}" : "",
    };

    private static string Word(WalCheckLevel level) => level switch { WalCheckLevel.Ok => "ok", WalCheckLevel.Warning => "warning", WalCheckLevel.Critical => "critical", _ => "unknown" };

    private static string Number(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);
}
