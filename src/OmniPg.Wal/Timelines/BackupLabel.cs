using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Content of <c>backup_label</c> (while a base backup is not yet recovered) or of a backup history file <c>SEGMENT.OFFSET.backup</c> (when it has finished). Immutable.</summary>
public sealed record BackupLabel
{
    internal const string IncrementalLsn = "INCREMENTAL FROM LSN";
    internal const string IncrementalTimeline = "INCREMENTAL FROM TLI";
    private const string FileName = "backup_label";

    /// <summary>Where replay of the backup starts (<c>START WAL LOCATION</c>).</summary>
    public NpgsqlLogSequenceNumber StartLsn { get; private init; }

    /// <summary>Segment that holds <see cref="StartLsn"/>.</summary>
    public WalFileName StartSegment { get; private init; }

    /// <summary>Where the backup becomes consistent (<c>STOP WAL LOCATION</c>); only in a backup history file.</summary>
    public NpgsqlLogSequenceNumber? StopLsn { get; private init; }

    /// <summary>Last segment that the backup needs; only in a backup history file.</summary>
    public WalFileName? StopSegment { get; private init; }

    /// <summary>Checkpoint from which recovery starts (<c>CHECKPOINT LOCATION</c>).</summary>
    public NpgsqlLogSequenceNumber? CheckpointLsn { get; private init; }

    /// <summary>How the backup was made, <c>streamed</c> since PostgreSQL 9.6 (<c>BACKUP METHOD</c>).</summary>
    public string? Method { get; private init; }

    /// <summary><c>primary</c> or <c>standby</c>, up to PostgreSQL 14 also <c>master</c> (<c>BACKUP FROM</c>).</summary>
    public string? From { get; private init; }

    /// <summary>Label given by the user (<c>LABEL</c>).</summary>
    public string? Label { get; private init; }

    /// <summary>Start time as written, in the time zone of the server's log (<c>START TIME</c>), for example <c>2026-05-01 12:00:00 CEST</c>.</summary>
    public string? StartTime { get; private init; }

    /// <summary>Stop time as written; only in a backup history file.</summary>
    public string? StopTime { get; private init; }

    /// <summary>Timeline at the start (<c>START TIMELINE</c>, PostgreSQL 11 and later).</summary>
    public uint? StartTimeline { get; private init; }

    /// <summary>Timeline at the end; only in a backup history file.</summary>
    public uint? StopTimeline { get; private init; }

    /// <summary>Start position of the backup on which an incremental backup builds (<c>INCREMENTAL FROM LSN</c>, PostgreSQL 17 and later).</summary>
    public NpgsqlLogSequenceNumber? IncrementalFromLsn { get; private init; }

    /// <summary>Timeline of the backup on which an incremental backup builds.</summary>
    public uint? IncrementalFromTimeline { get; private init; }

    /// <summary>Reads the content of a <c>backup_label</c> or backup history file. Unknown keys are skipped.</summary>
    /// <param name="text">Content of the file.</param>
    /// <returns>The label.</returns>
    /// <exception cref="WalValidationException">The start location is missing, or a value cannot be read.</exception>
    public static BackupLabel Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var label = new BackupLabel();
        var offset = 0L;
        var hasStart = false;
        foreach (var line in text.Split('\n'))
        {
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            if (colon > 0)
            {
                var key = line[..colon];
                label = label.With(key, line[(colon + 2)..].TrimEnd('\r'), offset + colon + 2);
                hasStart |= key == "START WAL LOCATION";
            }

            offset += line.Length + 1;
        }

        return hasStart ? label : throw Fault(0, "the line 'START WAL LOCATION' is missing");
    }

    /// <summary>Checks that a backup history file has the name that PostgreSQL gives to a file of this content.</summary>
    /// <param name="name">Name of the file.</param>
    internal void ThrowUnlessNamed(WalFileName name)
    {
        if (name.GetSegment() != StartSegment)
        {
            throw new WalValidationException(
                WalValidationProblem.BadText, $"the backup starts in segment '{StartSegment}' but the name stands for '{name.GetSegment()}'", name.ToString(), 0);
        }

        // The segment size is not in the file. Whatever it is, the offset in the name is the lower part of the start position.
        var start = (ulong)StartLsn;
        if (name.BackupOffset is { } offset && (offset > (uint)start || ((start - offset) & 0xFFFFF) != 0))
        {
            throw new WalValidationException(
                WalValidationProblem.BadText, $"the backup starts at '{StartLsn}' but the name has the offset '{offset:X8}'", name.ToString(), 0);
        }
    }

    private BackupLabel With(string key, string value, long offset) => key switch
    {
        "START WAL LOCATION" => this with { StartLsn = LsnOf(value, offset), StartSegment = SegmentOf(value, offset) },
        "STOP WAL LOCATION" => this with { StopLsn = LsnOf(value, offset), StopSegment = SegmentOf(value, offset) },
        "CHECKPOINT LOCATION" => this with { CheckpointLsn = LsnOf(value, offset) },
        "BACKUP METHOD" => this with { Method = value },
        "BACKUP FROM" => this with { From = value },
        "START TIME" => this with { StartTime = value },
        "STOP TIME" => this with { StopTime = value },
        "LABEL" => this with { Label = value },
        "START TIMELINE" => this with { StartTimeline = TimelineOf(value, offset) },
        "STOP TIMELINE" => this with { StopTimeline = TimelineOf(value, offset) },
        IncrementalLsn => this with { IncrementalFromLsn = LsnOf(value, offset) },
        IncrementalTimeline => this with { IncrementalFromTimeline = TimelineOf(value, offset) },
        _ => this,
    };

    private static NpgsqlLogSequenceNumber LsnOf(string value, long offset)
    {
        var end = value.IndexOf(' ', StringComparison.Ordinal) is var blank and >= 0 ? blank : value.Length;
        return NpgsqlLogSequenceNumber.TryParse(value.AsSpan(0, end), out var lsn) ? lsn : throw Fault(offset, $"'{value}' is not a WAL location");
    }

    // "0/2000028 (file 000000010000000000000002)"
    private static WalFileName SegmentOf(string value, long offset)
    {
        const string Before = "(file ";
        var start = value.IndexOf(Before, StringComparison.Ordinal);
        return start >= 0 && value.EndsWith(')') && WalFileName.TryParse(value.AsSpan()[(start + Before.Length)..^1], out var name)
            ? name
            : throw Fault(offset, $"'{value}' names no segment");
    }

    private static uint TimelineOf(string value, long offset) => uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
        ? timeline
        : throw Fault(offset, $"'{value}' is not a timeline");

    private static WalValidationException Fault(long offset, string reason) => new(WalValidationProblem.BadText, reason, FileName, offset);
}
