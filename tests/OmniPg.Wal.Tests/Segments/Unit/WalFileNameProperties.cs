using FsCheck;
using FsCheck.Fluent;
using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Segments;

public sealed class WalFileNameProperties
{
    private static readonly Arbitrary<WalSegmentSize> Sizes = Gen.Choose(20, 30).Select(bits => WalSegmentSize.FromBytes(1L << bits)).ToArbitrary();
    private static readonly Arbitrary<ulong> Positions =
        ArbMap.Default.GeneratorFor<ulong>().SelectMany(_ => Gen.Choose(0, 63), (value, shift) => value >> shift).ToArbitrary();
    private static readonly Arbitrary<uint> Timelines = ArbMap.Default.ArbFor<uint>();

    [Fact]
    public void A_position_lies_in_the_segment_named_for_it() => Prop.ForAll(Sizes, Positions, Timelines, (size, position, timeline) =>
    {
        var name = WalFileName.ForLsn(timeline, new NpgsqlLogSequenceNumber(position), size);
        var start = (ulong)name.StartLsn(size);
        return start <= position && position - start < (ulong)size.Bytes && start % (ulong)size.Bytes == 0 && name.Fits(size) && name.Timeline == timeline;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Number_and_name_are_one_to_one() => Prop.ForAll(Sizes, Positions, Timelines, (size, position, timeline) =>
    {
        var number = position / (ulong)size.Bytes;
        return WalFileName.ForSegmentNumber(timeline, number, size).SegmentNumber(size) == number;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_next_segment_starts_where_this_one_ends() => Prop.ForAll(Sizes, Positions, (size, position) =>
    {
        var name = WalFileName.ForLsn(1, new NpgsqlLogSequenceNumber(position / 2), size);
        return (ulong)name.Next(size).StartLsn(size) == (ulong)name.StartLsn(size) + (ulong)size.Bytes && name.Next(size).Position > name.Position;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void What_is_written_is_read_as_the_same_name() => Prop.ForAll(Sizes, Positions, Timelines, (size, position, timeline) =>
    {
        var segment = WalFileName.ForLsn(timeline, new NpgsqlLogSequenceNumber(position), size).ToString();
        string[] names = [segment, segment + ".partial", $"{segment}.{(uint)position:X8}.backup", $"{timeline:X8}.history"];
        return names.All(n => WalFileName.Parse(n).ToString() == n && WalFileName.Parse(n.ToLowerInvariant()).ToString() == n);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Arbitrary_text_never_throws_and_is_a_name_only_if_it_reads_back() => Prop.ForAll<string?>(text =>
        !WalFileName.TryParse(text, null, out var name) || string.Equals(name.ToString(), text, StringComparison.OrdinalIgnoreCase))
        .QuickCheckThrowOnFailure();
}
