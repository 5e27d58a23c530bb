namespace OmniPg.Wal;

/// <summary>What must be true of every page header, the first included.</summary>
internal static class PageRules
{
    /// <summary>Checks a page header against the segment and its place in it, and notes its timeline.</summary>
    public static void Check(SegmentIdentity segment, in PageHeader page, ulong position)
    {
        var major = segment.Major;
        var isFirst = position == segment.Start;
        if (page.Magic != major.Magic)
            throw WrongMagic(segment, page, position);

        if ((page.Info & ~major.PageFlags) != 0 || page.IsLong != isFirst)
        {
            throw segment.Fault(WalValidationProblem.BadPage, position, $"the page flags '{page.Info:X4}' are not possible here");
        }

        if (page.Address != position)
            throw WrongAddress(segment, page, position);

        if (page.Padding != 0)
        {
            throw segment.Fault(WalValidationProblem.BadPage, position, $"the padding of the page header is '{page.Padding:X8}' but zeros are expected");
        }

        CheckTimeline(segment, page, position, isFirst);
        segment.LastTimeline = page.Timeline;
    }

    /// <remarks>
    /// Pages of an ancestor are legal in the first segment of a new timeline: the new server copies what lies before the switch point,
    /// and only pages begun behind it carry the new timeline.
    /// </remarks>
    private static void CheckTimeline(SegmentIdentity segment, in PageHeader page, ulong position, bool isFirst)
    {
        var lowest = isFirst ? 1 : segment.LastTimeline;
        var highest = segment.Name?.Timeline ?? uint.MaxValue;
        if (page.Timeline < lowest || page.Timeline > highest)
        {
            var range = lowest == highest ? $"'{highest}' is" : $"'{lowest}' to '{highest}' are";
            throw segment.Fault(WalValidationProblem.WrongTimeline, position, $"the page is of timeline '{page.Timeline}' but {range} expected");
        }
    }

    private static WalValidationException WrongMagic(SegmentIdentity segment, in PageHeader page, ulong position) => page.Magic == 0
        ? segment.Fault(WalValidationProblem.UnexpectedEnd, position, "the page is empty, but the records before do not end with a segment switch")
        : segment.Fault(
            WalValidationProblem.BadPage, position, $"the page magic is '{page.Magic:X4}' but that of the first page is '{segment.Major.Magic:X4}'");

    // A recycled segment keeps its old content until it is overwritten: well-formed pages of an earlier position.
    private static WalValidationException WrongAddress(SegmentIdentity segment, in PageHeader page, ulong position) => segment.Fault(
        page.Address < position && page.Address % WalFormat.PageSize == 0 ? WalValidationProblem.UnexpectedEnd : WalValidationProblem.BadPage,
        position,
        $"the page address is '{SegmentIdentity.Text(page.Address)}' but '{SegmentIdentity.Text(position)}' is expected");
}
