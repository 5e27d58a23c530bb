using System.Globalization;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>The parts that the texts and JSON documents of verify and show share.</summary>
internal static class ListingJson
{
    public static void WriteTimelines(Utf8JsonWriter json, IEnumerable<WalTimeline> timelines)
    {
        json.WriteStartArray("timelines");
        foreach (var timeline in timelines)
        {
            json.WriteStartObject();
            json.WriteNumber("timeline", timeline.Timeline);
            json.WriteString("first", timeline.First?.ToString());
            json.WriteString("last", timeline.Last?.ToString());
            json.WriteNumber("segments", timeline.Segments);
            if (timeline.History.Ancestors is [.., var parent])
            {
                json.WriteNumber("parent", parent.Timeline);
                json.WriteString("switchLsn", parent.SwitchLsn.ToString());
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static string Line(WalTimeline timeline) =>
        $"timeline {timeline.Timeline}: {(timeline.Segments == 0 ? "no segments" : $"{timeline.First} to {timeline.Last}, {timeline.Segments} segments")}";

    public static void WriteGaps(Utf8JsonWriter json, IEnumerable<WalGap> gaps)
    {
        json.WriteStartArray("gaps");
        foreach (var gap in gaps)
        {
            json.WriteStartObject();
            json.WriteNumber("timeline", gap.Timeline);
            json.WriteString("from", gap.From.ToString());
            json.WriteString("to", gap.To.ToString());
            if (gap.Status is { } status)
                json.WriteString("status", status.ToString().ToLowerInvariant());
            if (gap.Dropped > 0)
                json.WriteNumber("dropped", gap.Dropped);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is { } value)
            json.WriteString(name, Text(value));
        else
            json.WriteNull(name);
    }

    public static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } known)
            json.WriteNumber(name, Math.Round(known, 6));
        else
            json.WriteNull(name);
    }

    public static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
