using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What must be true of page headers: of the first of a segment, before anything else of it is believed, and of each.</summary>
internal static class PageRules
{
    /// <summary>Checks the long header at offset 0 and notes in <paramref name="segment"/> what it says.</summary>
    public static void Establish(SegmentIdentity segment, ReadOnlySpan<byte> bytes)
    {
        var page = new PageHeader(bytes);
        var major = FindMajor(segment, page.Magic);
        if (!page.IsLong)
        {
            throw segment.FaultAt(WalValidationProblem.BadHeader, 2, $"the flags of the first page are '{page.Info:X4}' and lack '0002' (long header)");
        }

        var first = new LongPageHeader(bytes);
        CheckSizes(segment, first);
        CheckCluster(segment, first);
        CheckAddress(segment, page, (int)first.SegmentSize);
        segment.Establish(major, page, first);
        CheckChain(segment);
    }

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

    private static PgMajor FindMajor(SegmentIdentity segment, ushort magic)
    {
        if (PgMajor.OfMagic(magic) is not { } major)
        {
            if (magic == 0)
                throw segment.FaultAt(WalValidationProblem.BadHeader, 0, "the page magic is '0000', the segment was never written");

            if (PgMajor.IsForeignByteOrder(magic))
            {
                throw segment.FaultAt(WalValidationProblem.ForeignByteOrder, 0, $"the page magic is '{magic:X4}', that of a machine of the other byte order");
            }

            return segment.Expectations.AllowUnknownVersion
                ? PgMajor.Assume(magic)
                : throw segment.FaultAt(WalValidationProblem.UnknownVersion, 0, $"the page magic '{magic:X4}' belongs to no known version");
        }

        if (segment.Expectations.PgMajor is { } expected && expected != major.Number)
        {
            throw segment.FaultAt(
                WalValidationProblem.WrongVersion, 0, $"the page magic '{magic:X4}' is that of PostgreSQL '{major.Number}' but '{expected}' is expected");
        }

        return major;
    }

    private static void CheckSizes(SegmentIdentity segment, in LongPageHeader first)
    {
        if (!WalSegmentSize.IsValid(first.SegmentSize))
        {
            throw segment.FaultAt(WalValidationProblem.BadHeader, 32, $"the segment size '{first.SegmentSize}' is not a power of two from 1 MiB to 1 GiB");
        }

        if (first.BlockSize != WalFormat.PageSize)
        {
            throw segment.FaultAt(WalValidationProblem.BadHeader, 36, $"the WAL block size is '{first.BlockSize}' but '{WalFormat.PageSize}' is expected");
        }

        if (segment.Expectations.SegmentSize is { } expected && expected != first.SegmentSize)
        {
            throw segment.FaultAt(WalValidationProblem.WrongSize, 32, $"the segment size is '{first.SegmentSize}' but '{expected}' is expected");
        }
    }

    private static void CheckCluster(SegmentIdentity segment, in LongPageHeader first)
    {
        if (segment.Expectations.SystemIdentifier is { } expected && expected != first.SystemIdentifier)
        {
            throw segment.FaultAt(
                WalValidationProblem.ForeignCluster, 24, $"the system identifier is '{first.SystemIdentifier}' but '{expected}' is expected");
        }
    }

    private static void CheckAddress(SegmentIdentity segment, in PageHeader page, int segmentSize)
    {
        if (page.Address % (uint)segmentSize != 0 || page.Address > ulong.MaxValue - (uint)segmentSize)
        {
            throw segment.FaultAt(
                WalValidationProblem.BadHeader, 8, $"the address '{SegmentIdentity.Text(page.Address)}' of the first page is not the start of a segment");
        }

        if (segment.Name is not { } name)
            return;

        var size = WalSegmentSize.FromBytes(segmentSize);
        if (!name.Fits(size) || (ulong)name.StartLsn(size) != page.Address)
        {
            var expected = name.Fits(size) ? name.StartLsn(size).ToString() : $"none with segments of {size}";
            throw segment.FaultAt(
                WalValidationProblem.WrongAddress, 8, $"the content starts at '{SegmentIdentity.Text(page.Address)}' but the name stands for '{expected}'");
        }
    }

    private static void CheckChain(SegmentIdentity segment)
    {
        if (segment.Previous is not { } previous)
            return;

        if (previous.SystemIdentifier != segment.SystemIdentifier)
        {
            throw segment.FaultAt(
                WalValidationProblem.ForeignCluster,
                24,
                $"the system identifier is '{segment.SystemIdentifier}' but that of the segment before is '{previous.SystemIdentifier}'");
        }

        if (previous.SegmentSize != segment.Size)
        {
            throw segment.FaultAt(
                WalValidationProblem.WrongSize, 32, $"the segment size is '{segment.Size}' but that of the segment before is '{previous.SegmentSize}'");
        }
    }
}
