using FsCheck;
using FsCheck.Fluent;

namespace OmniPg.Partman.Tests.Unit;

public sealed class PartitionKeyTests
{
    private static readonly DateTimeOffset Moment = new(2024, 3, 31, 1, 30, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("timestamptz", PartitionKeyKind.Time, "'2024-03-31 01:30:00+00'")]
    [InlineData("timestamp", PartitionKeyKind.Time, "'2024-03-31 01:30:00'")]
    [InlineData("date", PartitionKeyKind.Time, "'2024-03-31'")]
    [InlineData("int4", PartitionKeyKind.EpochSeconds, "'1711848600'")]
    [InlineData("int8", PartitionKeyKind.EpochMilliseconds, "'1711848600000'")]
    [InlineData("int8", PartitionKeyKind.EpochMicroseconds, "'1711848600000000'")]
    [InlineData("int8", PartitionKeyKind.EpochNanoseconds, "'1711848600000000000'")]
    [InlineData("uuid", PartitionKeyKind.UuidV7, "'018e9220-b1c0-0000-0000-000000000000'")]
    public void A_moment_is_written_as_the_column_holds_it(string type, PartitionKeyKind kind, string literal) =>
        Key(type, kind).Literal(PartitionBound.Of(Moment)).Should().Be(literal);

    [Fact]
    public void A_moment_before_1970_is_floored_and_no_uuid()
    {
        var before = PartitionBound.Of(new DateTimeOffset(1969, 12, 31, 23, 59, 59, 500, TimeSpan.Zero));

        Key("int8", PartitionKeyKind.EpochSeconds).Literal(before).Should().Be("'-1'");
        FluentActions.Invoking(() => Key("uuid", PartitionKeyKind.UuidV7).Literal(before)).Should().Throw<OverflowException>();
    }

    [Theory]
    [InlineData("int2", 32768L)]
    [InlineData("int4", 2147483648L)]
    public void A_bound_that_the_type_cannot_hold_is_refused(string type, long id)
    {
        Key(type, PartitionKeyKind.Id).Literal(PartitionBound.Of(id - 1)).Should().Be($"'{id - 1}'");
        FluentActions.Invoking(() => Key(type, PartitionKeyKind.Id).Literal(PartitionBound.Of(id))).Should().Throw<OverflowException>();
    }

    [Theory]
    [InlineData("timestamptz", "2024-01-31 12:00:00.5+00", "2024-01-31 12:00:00.500000Z")]
    [InlineData("timestamptz", "2024-01-31 12:00:00+00", "2024-01-31 12:00:00Z")]
    [InlineData("timestamp", "2024-01-31 12:00:00", "2024-01-31 12:00:00Z")]
    [InlineData("date", "0099-01-31", "0099-01-31 00:00:00Z")]
    [InlineData("timestamptz", "infinity", "MAXVALUE")]
    [InlineData("date", "-infinity", "MINVALUE")]
    public void Text_of_the_catalog_is_read_as_the_moment(string type, string text, string bound) =>
        Key(type, PartitionKeyKind.Time).Read(new BoundText.Value(text)).ToString().Should().Be(bound);

    [Theory]
    [InlineData("timestamptz", PartitionKeyKind.Time, "294276-01-01 00:00:00+00")]
    [InlineData("timestamptz", PartitionKeyKind.Time, "0044-03-15 00:00:00+00 BC")]
    [InlineData("numeric", PartitionKeyKind.Id, "99999999999999999999999")]
    [InlineData("int8", PartitionKeyKind.EpochSeconds, "9223372036854775807")]
    public void What_cannot_be_counted_is_refused_with_its_text(string type, PartitionKeyKind kind, string text) =>
        FluentActions.Invoking(() => Key(type, kind).Read(new BoundText.Value(text))).Should().Throw<FormatException>().WithMessage($"'{text}' is no bound of column 'c' ({type}, {kind}) *");

    [Fact]
    public void What_is_written_reads_back()
    {
        (string Type, PartitionKeyKind Kind)[] keys =
        [
            ("timestamptz", PartitionKeyKind.Time), ("timestamp", PartitionKeyKind.Time), ("int8", PartitionKeyKind.EpochSeconds),
            ("int8", PartitionKeyKind.EpochMilliseconds), ("int8", PartitionKeyKind.EpochMicroseconds), ("int8", PartitionKeyKind.EpochNanoseconds), ("uuid", PartitionKeyKind.UuidV7),
        ];

        // Whole seconds from 1970 to 2255: what every kind can hold.
        Prop.ForAll(ArbMap.Default.ArbFor<NonNegativeInt>(), Gen.Elements(keys).ToArbitrary(), (seconds, key) =>
        {
            var bound = PartitionBound.Of(DateTimeOffset.UnixEpoch.AddSeconds(seconds.Get * 4L));
            return Key(key.Type, key.Kind).Read(new BoundText.Value(Key(key.Type, key.Kind).Literal(bound).Trim('\''))) == bound;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Bounds_are_ordered_between_the_ends_of_everything()
    {
        PartitionBound[] bounds = [PartitionBound.MaxValue, PartitionBound.Of(5), PartitionBound.MinValue, PartitionBound.Of(-5)];

        bounds.Order().Select(b => b.ToString()).Should().Equal("MINVALUE", "-5", "5", "MAXVALUE");
        FluentActions.Invoking(() => PartitionBound.Of(5) < PartitionBound.Of(Moment)).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void A_uuid_of_version_7_tells_its_moment() =>
        PartitionBound.Of(Guid.CreateVersion7(Moment)).Should().Be(PartitionBound.Of(Moment));

    private static PartitionKey Key(string type, PartitionKeyKind kind) => new(PgIdentifier.Create("c"), type, kind);
}
