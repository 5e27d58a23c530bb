using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What a segment is: first what its name promises, then what its first page header says. Every fault of the segment is made here, so that each has file, offset and LSN.</summary>
internal sealed class SegmentIdentity(WalFileName? name, WalExpectations expectations)
{
    private bool _known;

    public WalFileName? Name => name;

    public WalExpectations Expectations => expectations;

    public PgMajor Major { get; private set; } = null!;

    public ulong SystemIdentifier { get; private set; }

    public int Size { get; private set; }

    /// <summary>First WAL position of the segment.</summary>
    public ulong Start { get; private set; }

    public ulong End => Start + (uint)Size;

    /// <summary>Timeline of the first page.</summary>
    public uint FirstTimeline { get; private set; }

    /// <summary>Timeline of the newest valid page.</summary>
    public uint LastTimeline { get; set; }

    /// <summary>State of the segment before, when it was given and really lies before this one on the same timeline.</summary>
    public WalChainState? Previous { get; private set; }

    public void Establish(PgMajor major, in PageHeader page, in LongPageHeader segment)
    {
        Major = major;
        Start = page.Address;
        FirstTimeline = LastTimeline = page.Timeline;
        SystemIdentifier = segment.SystemIdentifier;
        Size = (int)segment.SegmentSize;
        Previous = expectations.Previous is { } previous && Continues(previous, page) ? previous : null;
        _known = true;
    }

    /// <param name="problem">What is wrong.</param>
    /// <param name="position">Where; the start of a record may lie in the segment before, then the offset is 0.</param>
    /// <param name="reason">The mismatch in words.</param>
    public WalValidationException Fault(WalValidationProblem problem, ulong position, string reason) => position < Start
        ? EdgeFault(problem, position, position, reason)
        : new(problem, reason, name?.ToString(), (long)(position - Start), new NpgsqlLogSequenceNumber(position));

    /// <summary>A fault of a record that lies in two segments: nobody can tell which of them is damaged.</summary>
    public WalValidationException EdgeFault(WalValidationProblem problem, ulong position, ulong recordStart, string reason)
    {
        var begins = name is not null ? WalFileName.ForLsn(FirstTimeline, new NpgsqlLogSequenceNumber(recordStart), WalSegmentSize.FromBytes(Size)).ToString() : null;
        var where = begins is null ? "in the segment before" : $"in '{begins}'";
        return new(problem, $"{reason}; the record begins {where}, and either segment may be damaged", name?.ToString(), position < Start ? 0 : (long)(position - Start), new NpgsqlLogSequenceNumber(position))
        {
            BeginsIn = begins,
        };
    }

    public WalValidationException FaultAt(WalValidationProblem problem, long offset, string reason) =>
        new(problem, reason, name?.ToString(), offset, _known ? new NpgsqlLogSequenceNumber(Start + (ulong)offset) : null);

    // After a recovery to an earlier point two timelines hold different segments of one number: only the same timeline is the same chain.
    private static bool Continues(WalChainState previous, in PageHeader page) =>
        (ulong)previous.End == page.Address && previous.Timeline == page.Timeline;

    public static string Text(ulong position) => new NpgsqlLogSequenceNumber(position).ToString();
}
