using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Rules for the length and the flags with which a page header announces the rest of a split record.</summary>
internal static class ContinuationRules
{
    /// <param name="segment">The segment.</param>
    /// <param name="page">Header of the page that starts.</param>
    /// <param name="position">WAL position of the page.</param>
    /// <param name="open">The record left unfinished by the page before, or <see langword="null"/>.</param>
    /// <returns>How the page goes on.</returns>
    public static Judgement Judge(SegmentIdentity segment, in PageHeader page, ulong position, SplitRecord? open)
    {
        if (page.IsContinuation != (page.Remaining > 0))
        {
            throw segment.Fault(
                WalValidationProblem.BadPage, position, $"the page flags are '{page.Info:X4}' but the length of the continued record is '{page.Remaining}'");
        }

        // Without the segment before, nothing is known about what its last page left unfinished.
        var isUnchained = position == segment.Start && segment.Previous is null;
        if (GivesUp(segment.Major, page, open))
        {
            return page.IsContinuation || (open is null && !isUnchained)
                ? throw segment.Fault(WalValidationProblem.BadPage, position, $"the page flags '{page.Info:X4}' give up a record, but none is unfinished")
                : Judgement.Abandoned;
        }

        if (isUnchained)
        {
            return page.Remaining < WalFormat.MaxRecordLength
                ? page.IsContinuation ? Judgement.Unseen : Judgement.Regular
                : throw segment.Fault(WalValidationProblem.BadPage, position, $"the length '{page.Remaining}' of the continued record is not possible");
        }

        var expected = open?.Remaining ?? 0;
        if (page.Remaining == (uint)expected)
            return Judgement.Regular;

        var reason = $"the page continues a record with '{page.Remaining}' bytes but '{expected}' are expected";
        if (position != segment.Start)
            throw segment.Fault(WalValidationProblem.BadPage, position, reason);

        throw open is { IsKnown: true }
            ? segment.EdgeFault(WalValidationProblem.BrokenChain, position, open.Start, reason)
            : segment.Fault(WalValidationProblem.BrokenChain, position, reason);
    }

    // The bit had another meaning before PostgreSQL 19; in an unknown version it counts only where giving up is the only reading.
    private static bool GivesUp(PgMajor major, in PageHeader page, SplitRecord? open) =>
        (page.Info & major.OverwriteFlag) != 0 && (!major.IsAssumed || (open is not null && !page.IsContinuation));

    /// <summary>How a page goes on with the record that the page before left unfinished.</summary>
    internal enum Judgement
    {
        /// <summary>As expected: the page starts with a record, or continues the one at hand.</summary>
        Regular,

        /// <summary>The page continues a record whose beginning was not given.</summary>
        Unseen,

        /// <summary>The unfinished record was given up after a crash; an OVERWRITE_CONTRECORD record must follow.</summary>
        Abandoned,
    }
}
