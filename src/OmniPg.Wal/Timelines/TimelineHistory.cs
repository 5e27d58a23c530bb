using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Ancestors of a timeline, as PostgreSQL records them in <c>TTTTTTTT.history</c> when a standby is promoted or a recovery ends. Immutable.</summary>
public sealed class TimelineHistory
{
    private TimelineHistory(uint timeline, IReadOnlyList<TimelineSwitch> ancestors)
    {
        Timeline = timeline;
        Ancestors = ancestors;
    }

    /// <summary>The timeline whose history this is.</summary>
    public uint Timeline { get; }

    /// <summary>All ancestors, oldest first; empty for a timeline without ancestors such as 1.</summary>
    public IReadOnlyList<TimelineSwitch> Ancestors { get; }

    /// <summary>The history of a timeline that has no history file: 1, or one made by <c>initdb</c>.</summary>
    /// <param name="timeline">The timeline.</param>
    /// <returns>A history without ancestors.</returns>
    public static TimelineHistory Root(uint timeline) => new(timeline, []);

    /// <summary>Reads the content of a history file. Follows <c>readTimeLineHistory</c> of the server.</summary>
    /// <param name="timeline">Timeline in the name of the file.</param>
    /// <param name="text">Content of the file.</param>
    /// <returns>The history.</returns>
    /// <exception cref="WalValidationException">A line cannot be read, there is none, timelines do not ascend, or an ancestor is not older than <paramref name="timeline"/>.</exception>
    public static TimelineHistory Parse(uint timeline, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var file = WalFileName.ForHistory(timeline).ToString();
        var ancestors = new List<TimelineSwitch>();
        var offset = 0L;
        foreach (var line in text.Split('\n'))
        {
            if (ParseLine(line.AsSpan().Trim(), file, offset) is { } ancestor)
            {
                var before = ancestors.Count > 0 ? ancestors[^1].Timeline : 0;
                if (ancestor.Timeline <= before || ancestor.Timeline >= timeline)
                {
                    throw Fault(file, offset, $"the ancestor '{ancestor.Timeline}' does not lie between '{before}' and '{timeline}'");
                }

                ancestors.Add(ancestor);
            }

            offset += line.Length + 1;
        }

        // The server writes a history only when it leaves a timeline, so it always names one; an empty file is what a crash left of it.
        return ancestors.Count > 0 ? new TimelineHistory(timeline, ancestors) : throw Fault(file, 0, "it names no ancestor");
    }

    /// <summary>The timeline on which a WAL position lies, seen from this timeline (<c>tliOfPointInHistory</c> of the server).</summary>
    /// <param name="lsn">A WAL position; a switch position itself belongs to the newer timeline.</param>
    /// <returns>This timeline or one of its ancestors.</returns>
    public uint TimelineAt(NpgsqlLogSequenceNumber lsn)
    {
        foreach (var ancestor in Ancestors)
        {
            if (lsn < ancestor.SwitchLsn)
                return ancestor.Timeline;
        }

        return Timeline;
    }

    /// <summary>Where this history leaves a timeline.</summary>
    /// <param name="timeline">A timeline.</param>
    /// <returns>The switch position; <see langword="null"/> for <see cref="Timeline"/> itself and for timelines that are no ancestors.</returns>
    public NpgsqlLogSequenceNumber? SwitchLsnOf(uint timeline)
    {
        foreach (var ancestor in Ancestors)
        {
            if (ancestor.Timeline == timeline)
                return ancestor.SwitchLsn;
        }

        return null;
    }

    /// <summary>Whether a timeline is this one or one of its ancestors.</summary>
    /// <param name="timeline">A timeline.</param>
    /// <returns>Whether it is on the path to this timeline.</returns>
    public bool Contains(uint timeline) => timeline == Timeline || SwitchLsnOf(timeline) is not null;

    private static TimelineSwitch? ParseLine(ReadOnlySpan<char> line, string file, long offset)
    {
        if (line.IsEmpty || line[0] == '#')
            return null;

        var timelineLength = line.IndexOfAny(' ', '\t');
        if (timelineLength > 0 && uint.TryParse(line[..timelineLength], NumberStyles.None, CultureInfo.InvariantCulture, out var timeline))
        {
            var rest = line[timelineLength..].TrimStart();
            var lsnLength = rest.IndexOfAny(' ', '\t') is var end and >= 0 ? end : rest.Length;
            if (NpgsqlLogSequenceNumber.TryParse(rest[..lsnLength], out var lsn))
                return new TimelineSwitch(timeline, lsn, rest[lsnLength..].Trim().ToString());
        }

        throw Fault(file, offset, $"the line '{Shorten(line)}' is not of the form 'TIMELINE LSN REASON'");
    }

    private static string Shorten(ReadOnlySpan<char> line) => line.Length <= 60 ? line.ToString() : $"{line[..60]}…";

    private static WalValidationException Fault(string file, long offset, string reason) => new(WalValidationProblem.BadText, reason, file, offset);
}

/// <summary>One line of a timeline history: an ancestor and where it was left.</summary>
/// <param name="Timeline">The ancestor.</param>
/// <param name="SwitchLsn">First WAL position that no longer belongs to it.</param>
/// <param name="Reason">What PostgreSQL noted, for example <c>no recovery target specified</c>; may be empty.</param>
public readonly record struct TimelineSwitch(uint Timeline, NpgsqlLogSequenceNumber SwitchLsn, string Reason);
